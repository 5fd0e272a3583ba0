//! What of a caller's request goes with its command and stays as evidence (D18).

use auth::{Head, Signed, Whole};
use machine::{ClaimSpace, Command, Proof, Refusal, STATEMENT_OCTETS_MAX};

/// The proof that a caller's command is proposed with.
pub(crate) fn of_request(caller: &Signed<Whole>, command: &Command) -> Result<Proof, Refusal> {
    proof(caller, command, statement(caller, command))
}

/// The proof of a head alone, whose body is content: the claim of a space is the one command that has one.
pub(crate) fn of_upload(
    caller: &Signed<Head>,
    claim: ClaimSpace,
) -> Result<(Proof, Command), Refusal> {
    let claim = Command::ClaimSpace(claim);
    Ok((proof(caller, &claim, Vec::new())?, claim))
}

fn proof<Part>(
    caller: &Signed<Part>,
    command: &Command,
    statement: Vec<u8>,
) -> Result<Proof, Refusal> {
    let evidence = caller.evidence().ok_or(Refusal::ProofMissing)?;
    Ok(Proof {
        key: caller.key().clone(),
        created: evidence.created,
        nonce: evidence.nonce.clone(),
        base: base(evidence, command),
        signature: evidence.signature.clone(),
        statement,
    })
}

/// The signature base that goes with a command. A file's name goes with its content (Article 9(3)), so a base that
/// may carry one is not kept: that of an upload, or one that covers the field.
fn base(evidence: &auth::Evidence, command: &Command) -> Vec<u8> {
    let base = &evidence.base;
    let names_a_file =
        base.to_ascii_lowercase().windows(FILE_FIELD.len()).any(|octets| octets == FILE_FIELD);
    let is_of_upload = matches!(command, Command::ClaimSpace(_));
    if is_of_upload || names_a_file { Vec::new() } else { base.clone() }
}

/// The field of tus that carries a file's name.
const FILE_FIELD: &[u8] = b"upload-metadata";

/// The body that goes with a command as evidence: of what offices do with packets, and of what ends something for
/// others. A longer one is known by its digest, which the signature base names.
fn statement(caller: &Signed<Whole>, command: &Command) -> Vec<u8> {
    let is_kept = matches!(
        command,
        Command::OpenPacket(_)
            | Command::SealPacket(_)
            | Command::CancelPacket(_)
            | Command::ConfirmReceipts(_)
            | Command::RejectDelivery(_)
            | Command::CloseLost(_)
            | Command::RevokeKey(_)
            | Command::LeaveNode(_)
    );
    let said = caller.statement();
    if is_kept && said.len() <= STATEMENT_OCTETS_MAX { said.to_vec() } else { Vec::new() }
}

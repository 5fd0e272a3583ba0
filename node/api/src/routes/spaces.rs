//! Spaces: a content on its way in, by tus 1.0.0 or by a plain PUT.

use auth::{BodyDigest, ChecksumChecker, ContentDigest, Head, Signed, UploadChecksum};
use axum::{
    extract::{FromRequest, Path, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use conductor::{Error, NewUpload, SpaceAccess, Upload};
use machine::Refusal;
use model::{Moment, SpaceId, lengths::in_memory};

use super::{Answer, detached, id, parameter};
use crate::{
    answer,
    app::App,
    dto::params::{Announced, Checked, Digested, FromOffset, Named, OfSpace, Tus},
    problem::Problem,
    signed::{self, Octets, content_length},
    texts::Fault,
    tus::{self, Metadata},
};

/// Who came to which space, and the body: apart, for it may be taken by one at a time only.
pub(crate) struct Visitor {
    visit: Visit,
    octets: Octets,
}

impl FromRequest<App> for Visitor {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (mut head, mut octets) = app.unsigned(request);
        let space = parameter(&mut head).await?;
        let visit = Visit::of(app.clone(), &space, head, &mut octets).await?;
        Ok(Self { visit, octets })
    }
}

/// Who came to which space.
struct Visit {
    app: App,
    head: Parts,
    space: SpaceId,
    token: Option<String>,
    caller: Option<Signed<Head>>,
    /// The token is none. Its door says so, in its own order.
    is_stranger: bool,
}

impl Visit {
    /// A space is opened by its token, or by a signature of the source. Either shows an application, which
    /// the request counts for and whose shares its body comes out of.
    async fn of(app: App, space: &str, head: Parts, octets: &mut Octets) -> Result<Self, Problem> {
        let token = tus::bearer(&head.headers).map(str::to_owned);
        let Some(token) = token else {
            let caller = app.caller(&head).await?;
            octets.sent_by(app.shares.of(caller.app(), caller.unit()));
            let (space, caller) = (id(space)?, Some(caller));
            return Ok(Self { space, app, head, token: None, caller, is_stranger: false });
        };
        let space = id(space)?;
        // A token that shows nobody is refused at its door, after what tus looks at first.
        let bearer = app.exchange.gate().bearer_of_space(space, &token).await;
        let is_stranger = matches!(bearer, Err(conductor::gate::Error::TokenInvalid));
        if let Ok(bearer) = bearer {
            octets.sent_by(app.count(&head, &bearer.app, &bearer.unit)?);
        }
        Ok(Self { space, app, head, token: Some(token), caller: None, is_stranger })
    }

    fn access(&self) -> SpaceAccess<'_> {
        match (&self.token, &self.caller) {
            (_, Some(caller)) => SpaceAccess::Caller(caller),
            (token, None) => SpaceAccess::Token(token.as_deref().unwrap_or_default()),
        }
    }

    async fn upload(
        &self,
        offset: Option<u64>,
        create: Option<NewUpload>,
    ) -> Result<Upload, Problem> {
        let upload =
            self.app.exchange.intake().upload(self.space, self.access(), offset, create).await;
        upload.map_err(|error| match error {
            error if error.is_refusal(Refusal::AlreadySealed) => Problem::new(Fault::SpaceSealed),
            other => other.into(),
        })
    }

    /// What the body must hash to, before any of it counts.
    fn promised(&self) -> Result<Promised, Problem> {
        Ok(Promised {
            checksum: tus::checksum(&self.head.headers)?,
            digest: self.content_digest()?,
        })
    }

    /// The signed digest, or the one that goes with a token.
    fn content_digest(&self) -> Result<Option<ContentDigest>, Problem> {
        if let Some(caller) = &self.caller {
            return Ok(Some(caller.content()));
        }
        Ok(signed::content_digest(&self.head)?)
    }

    /// Takes the body in. Octets that were promised a checksum do not count before it holds: few are
    /// held until then, many stream and are taken back if they must.
    async fn write(
        &self,
        octets: &mut Octets,
        upload: &mut Upload,
        promised: Promised,
    ) -> Result<(), Problem> {
        let (length, held_max) = (content_length(&self.head.headers), self.app.shares.held_max());
        // The head alone says that it does not fit: nobody need send it first.
        upload.has_room_for(length.unwrap_or(0))?;
        if promised.is_none() {
            return stream(octets, upload).await;
        }
        if length.is_none_or(|length| length > held_max as u64) {
            let taken = take_whole(octets, upload, promised).await;
            return or_taken_back(upload, taken).await;
        }
        let body = while_held(upload, octets.collect(&self.head.headers, held_max)).await?;
        let mut checker = promised.checker();
        checker.update(&body);
        checker.finish()?;
        Ok(upload.write(body).await?)
    }
}

/// Waits for octets as long as the upload's key may write: a revoked one is not waited for.
async fn while_held<T>(
    upload: &mut Upload,
    octets: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    tokio::select! {
        biased;
        octets = octets => octets,
        lost = upload.lost() => Err(lost.into()),
    }
}

/// Takes a PATCH in as it comes. What arrived before a break counts (tus core).
async fn stream(octets: &mut Octets, upload: &mut Upload) -> Result<(), Problem> {
    loop {
        let taken = match while_held(upload, octets.next()).await {
            Ok(Some(piece)) => upload.write(piece).await.map_err(Problem::from),
            Ok(None) => return Ok(()),
            // The client hears nothing any more; it asks by HEAD and goes on from what is durable.
            Err(broken) => Err(broken),
        };
        if let Err(problem) = taken {
            // Whatever ended it, a broken body or one beyond the announced size: HEAD and the next
            // PATCH must see the same offset. A writer that has failed is claimed anew by itself.
            if let Err(error) = upload.sync().await {
                tracing::debug!(%error, "what had arrived could not be synced");
            }
            return Err(problem);
        }
    }
}

/// What was promised a checksum is whole and has it, or it was never there.
async fn or_taken_back(upload: &mut Upload, taken: Result<(), Problem>) -> Result<(), Problem> {
    if taken.is_err() {
        upload.rollback().await?;
    }
    taken
}

/// Takes in what was promised a checksum, as it comes.
async fn take_whole(
    octets: &mut Octets,
    upload: &mut Upload,
    promised: Promised,
) -> Result<(), Problem> {
    let mut checker = promised.checker();
    while let Some(piece) = while_held(upload, octets.next()).await? {
        checker.update(&piece);
        upload.write(piece).await?;
    }
    checker.finish()
}

/// Takes a body whose beginning is here already, because an answer or its node was lost: what is here
/// is compared, the rest is taken in.
async fn take_rest(
    octets: &mut Octets,
    upload: &mut Upload,
    digest: ContentDigest,
) -> Result<(), Problem> {
    let offset = upload.offset();
    let here = ContentDigest { sha256: Some(upload.digest().0), sha512: None };
    let (mut whole, mut left) = (digest.checker(), offset);
    let (mut beginning, mut same) = (Some(here.checker()), false);
    while let Some(mut piece) = while_held(upload, octets.next()).await? {
        whole.update(&piece);
        let known = piece.split_to(in_memory(left.min(piece.len() as u64)));
        left -= known.len() as u64;
        if let Some(beginning) = &mut beginning {
            beginning.update(&known);
        }
        if left == 0 {
            same |= beginning.take().is_some_and(|beginning| beginning.finish().is_ok());
            if !same {
                break;
            }
            if !piece.is_empty() {
                upload.write(piece).await?;
            }
        }
    }
    if !same {
        return Err(Error::OffsetMismatch { offset }.into());
    }
    Ok(whole.finish()?)
}

/// What a body was promised to hash to.
struct Promised {
    checksum: Option<UploadChecksum>,
    digest: Option<ContentDigest>,
}

impl Promised {
    const fn is_none(&self) -> bool {
        self.checksum.is_none() && self.digest.is_none()
    }

    fn checker(self) -> Checker {
        Checker {
            checksum: self.checksum.map(UploadChecksum::checker),
            digest: self.digest.map(|digest| digest.checker()),
        }
    }
}

/// Hashes a body as it was promised.
struct Checker {
    checksum: Option<ChecksumChecker>,
    digest: Option<BodyDigest>,
}

impl Checker {
    fn update(&mut self, octets: &[u8]) {
        if let Some(checksum) = &mut self.checksum {
            checksum.update(octets);
        }
        if let Some(digest) = &mut self.digest {
            digest.update(octets);
        }
    }

    fn finish(self) -> Result<(), Problem> {
        if let Some(digest) = self.digest {
            digest.finish()?;
        }
        match self.checksum.map(ChecksumChecker::finish) {
            Some(Err(_)) => Err(Problem::new(Fault::TusChecksumMismatch)),
            _ => Ok(()),
        }
    }
}

fn set_offset(response: &mut Response, offset: u64) {
    response.headers_mut().insert(tus::UPLOAD_OFFSET, HeaderValue::from(offset));
}

fn set_expires(response: &mut Response, at: Moment) {
    answer::set(response, tus::UPLOAD_EXPIRES, &answer::http_date(at));
}

/// Runs a visit. Of a body that is refused nothing more is read here: its sender may wait for `100 Continue`.
async fn visit(by: Visitor, act: impl AsyncFnOnce(&Visit, &mut Octets) -> Answer) -> Answer {
    let Visitor { visit, mut octets } = by;
    act(&visit, &mut octets).await
}

/// Create a tus upload in a space
///
/// With `Content-Type: application/offset+octet-stream` the first octets come along.
#[utoipa::path(
    post, path = "/v1/spaces/{id}", tag = "spaces", operation_id = "create_upload",
    params(OfSpace, Tus, Announced, Named, Checked),
    request_body(content = Option<String>, content_type = "application/offset+octet-stream", description = "The first octets, if any"),
    responses(
        (status = 201, description = "Created", headers(("Location" = String), ("Upload-Offset" = u64), ("Upload-Expires" = String))),
        (status = 409, description = "It was created before: go on at `Location` from `Upload-Offset`",
            body = crate::dto::problems::Problem, content_type = "application/problem+json",
            headers(("Location" = String), ("Upload-Offset" = u64))),
    )
)]
pub(crate) async fn create(by: Visitor) -> Answer {
    detached(create_in(by)).await
}

async fn create_in(by: Visitor) -> Answer {
    visit(by, async |visit, octets| {
        let headers = &visit.head.headers;
        tus::check_version(headers)?;
        tus::check_extensions(headers)?;
        let missing = || Problem::new(Fault::HeaderMalformed).member("header", "upload-length");
        let size = tus::octet_count(headers, &tus::UPLOAD_LENGTH)?.ok_or_else(missing)?;
        let max = visit.app.settings.content_max;
        if size > max {
            return Err(Problem::new(Fault::ContentTooLarge).member("max", max));
        }
        let Metadata { file_name } = Metadata::of(headers)?;
        let with_upload = tus::is_offset_octet_stream(headers);
        let promised = visit.promised()?;
        let new = NewUpload { size: Some(size), file_name };
        let url = visit.app.url_for(&visit.head);
        let url = format!("{url}/v1/spaces/{}/content", visit.space);
        let upload = visit.upload(with_upload.then_some(0), Some(new)).await;
        let mut upload = upload.map_err(|problem| match problem.status() {
            // The answer to the same creation was lost, and with it where to go on.
            StatusCode::CONFLICT => problem.location(&url),
            _ => problem,
        })?;
        let mut response = answer::empty(StatusCode::CREATED);
        if with_upload {
            visit.write(octets, &mut upload, promised).await?;
            set_offset(&mut response, upload.sync().await?);
        } else {
            while_held(&mut upload, octets.collect(&visit.head.headers, 0)).await?;
        }
        answer::set(&mut response, header::LOCATION, &url);
        set_expires(&mut response, upload.expires_at());
        Ok(response)
    })
    .await
}

/// Where an upload stands
#[utoipa::path(
    head, path = "/v1/spaces/{id}/content", tag = "spaces", operation_id = "upload_status",
    params(OfSpace, Tus),
    responses((status = 200, description = "The offset that a majority holds durably",
        headers(("Upload-Offset" = u64), ("Upload-Length" = u64, description = "Once it was announced"),
            ("Upload-Defer-Length" = u64, description = "1 before"), ("Upload-Expires" = String))))
)]
pub(crate) async fn status(by: Visitor) -> Answer {
    visit(by, async |visit, _| {
        tus::check_version(&visit.head.headers)?;
        let status = visit.app.exchange.intake().space_status(visit.space, visit.access()).await?;
        let mut response = answer::empty(StatusCode::OK);
        set_offset(&mut response, status.offset);
        let (name, value) = match status.size {
            Some(size) => (tus::UPLOAD_LENGTH, HeaderValue::from(size)),
            None => (tus::UPLOAD_DEFER_LENGTH, HeaderValue::from_static("1")),
        };
        response.headers_mut().insert(name, value);
        if !status.sealed {
            set_expires(&mut response, status.expires_at);
        }
        Ok(response)
    })
    .await
}

/// Send on from an offset
///
/// 204 comes after the octets are durable on a majority. A chunk with `Upload-Checksum` counts as a whole or not at all.
#[utoipa::path(
    patch, path = "/v1/spaces/{id}/content", tag = "spaces", operation_id = "append_upload",
    params(OfSpace, Tus, FromOffset, Checked),
    request_body(content = Option<String>, content_type = "application/offset+octet-stream", description = "The octets; none are none"),
    responses((status = 204, description = "Durable", headers(("Upload-Offset" = u64), ("Upload-Expires" = String))))
)]
pub(crate) async fn patch(by: Visitor) -> Answer {
    detached(patch_in(by)).await
}

async fn patch_in(by: Visitor) -> Answer {
    visit(by, async |visit, octets| {
        let headers = &visit.head.headers;
        tus::check_version(headers)?;
        tus::check_extensions(headers)?;
        if !tus::is_offset_octet_stream(headers) {
            return Err(Problem::new(Fault::MediaTypeUnsupported)
                .member("expected", tus::OFFSET_OCTET_STREAM));
        }
        let missing = || Problem::new(Fault::HeaderMalformed).member("header", "upload-offset");
        let offset = tus::octet_count(headers, &tus::UPLOAD_OFFSET)?.ok_or_else(missing)?;
        let promised = visit.promised()?;
        let mut upload = visit.upload(Some(offset), None).await?;
        visit.write(octets, &mut upload, promised).await?;
        let mut response = answer::empty(StatusCode::NO_CONTENT);
        set_offset(&mut response, upload.sync().await?);
        set_expires(&mut response, upload.expires_at());
        Ok(response)
    })
    .await
}

/// Send the whole content at once
///
/// The digest is signed with the request, or goes with the token. The same content again gets the same
/// answer; if only its beginning is here, because a node has died, the rest is taken in.
#[utoipa::path(
    put, path = "/v1/spaces/{id}/content", tag = "spaces", operation_id = "put_content",
    params(OfSpace, Digested, Named),
    request_body(content = Option<String>, content_type = "application/octet-stream", description = "The content; none is an empty one"),
    responses((status = 204, description = "Durable", headers(("Upload-Offset" = u64))))
)]
pub(crate) async fn put(by: Visitor) -> Answer {
    detached(put_in(by)).await
}

async fn put_in(by: Visitor) -> Answer {
    visit(by, async |visit, octets| {
        let headers = &visit.head.headers;
        if visit.is_stranger {
            return Err(Problem::new(Fault::TokenInvalid));
        }
        let digest = visit.content_digest()?.filter(|digest| !digest.is_empty());
        let digest = digest.ok_or_else(|| Problem::new(Fault::ContentDigestMissing))?;
        let (size, max) = (content_length(headers), visit.app.settings.content_max);
        if size.is_some_and(|size| size > max) {
            return Err(Problem::new(Fault::ContentTooLarge).member("max", max));
        }
        // Its length is no announcement for the state: what counts is the commit.
        let new = NewUpload { size: None, file_name: Metadata::of(headers)?.file_name };
        let mut upload = visit.upload(None, Some(new)).await?;
        let offset = upload.offset();
        if let Some(size) = size
            && (size < offset || upload.size().is_some_and(|announced| announced != size))
        {
            return Err(Error::Refused(Refusal::SizeMismatch).into());
        }
        if offset == 0 {
            let promised = Promised { checksum: None, digest: Some(digest) };
            visit.write(octets, &mut upload, promised).await?;
        } else {
            let taken = take_rest(octets, &mut upload, digest).await;
            or_taken_back(&mut upload, taken).await?;
        }
        let mut response = answer::empty(StatusCode::NO_CONTENT);
        set_offset(&mut response, upload.sync().await?);
        Ok(response)
    })
    .await
}

/// Give a space up
#[utoipa::path(
    delete, path = "/v1/spaces/{id}/content", tag = "spaces", operation_id = "terminate_upload",
    params(OfSpace, Tus),
    responses((status = 204, description = "The space is gone, its packet cancelled"))
)]
pub(crate) async fn terminate(by: Visitor) -> Answer {
    let Visitor { visit, mut octets } = by;
    tus::check_version(&visit.head.headers)?;
    let body = octets.collect(&visit.head.headers, 0).await?;
    let Visit { app, space, token, caller, .. } = visit;
    let whole = caller.map(|caller| caller.with_statement(&body)).transpose()?;
    let access = match &whole {
        Some(caller) => SpaceAccess::Caller(caller),
        None => SpaceAccess::Token(token.as_deref().unwrap_or_default()),
    };
    app.exchange.intake().terminate(space, access).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// What a space speaks
#[utoipa::path(
    options, path = "/v1/spaces/{id}", tag = "spaces", operation_id = "space_offer",
    params(OfSpace),
    responses((status = 204, description = "tus 1.0.0", headers(("Tus-Version" = String), ("Tus-Extension" = String),
        ("Tus-Max-Size" = u64), ("Tus-Checksum-Algorithm" = String))))
)]
pub(crate) async fn offer(State(app): State<App>, Path(space): Path<String>) -> Answer {
    tus_offer(&app, &space)
}

/// What a space speaks
#[utoipa::path(
    options, path = "/v1/spaces/{id}/content", tag = "spaces", operation_id = "content_offer",
    params(OfSpace),
    responses((status = 204, description = "tus 1.0.0", headers(("Tus-Version" = String), ("Tus-Extension" = String),
        ("Tus-Max-Size" = u64), ("Tus-Checksum-Algorithm" = String))))
)]
pub(crate) async fn content_offer(State(app): State<App>, Path(space): Path<String>) -> Answer {
    tus_offer(&app, &space)
}

fn tus_offer(app: &App, space: &str) -> Answer {
    // Nobody need be known to ask, so whether there is such a space is not said.
    id::<SpaceId>(space)?;
    let mut response = answer::empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("tus-version"), tus::VERSION);
    headers.insert("tus-extension", HeaderValue::from_static(tus::EXTENSIONS));
    headers.insert("tus-max-size", HeaderValue::from(app.settings.content_max));
    headers.insert("tus-checksum-algorithm", HeaderValue::from_static(UploadChecksum::ALGORITHMS));
    Ok(response)
}

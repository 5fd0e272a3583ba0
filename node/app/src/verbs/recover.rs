//! `recover`: at a node that does not run, what it holds, and the two decisions that only an operator
//! may take where a disk went back.

use serde_json::json;

use super::{Context, Done, founding::quoted};
use crate::{
    cli::{Exit, Failure, RecoverArgs},
    node,
    texts::{failures as t, states, words},
};

/// Shows what a node holds, or decides for it.
pub async fn recover(context: &Context, args: RecoverArgs) -> Done {
    let out = &context.out;
    let failed = |error: anyhow::Error| Failure::node(out.lang, t::RUN, &error);
    let held = node::held(&args.data_dir).await.map_err(failed)?;
    let name = held.node.to_string();
    let node: [(&str, &dyn std::fmt::Display); 1] = [("node", &held.node)];
    if args.trust {
        context.confirm(words::ASK_TRUST, &name, args.yes)?;
        node::trust(&args.data_dir).await.map_err(failed)?;
        if out.is_table() {
            out.done(words::DONE_TRUSTED, &node);
        } else {
            out.json("lgsp.recover.trusted/1", json!({ "node": held.node }));
        }
        return Ok(Exit::Ok);
    }
    if args.as_source {
        context.confirm(words::ASK_SOURCE, &name, args.yes)?;
        node::make_source(&args.data_dir).await.map_err(failed)?;
        if out.is_table() {
            out.done(words::DONE_SOURCE, &node);
            out.say(out.text(words::SOURCE_NEXT));
        } else {
            out.json("lgsp.recover.source/1", json!({ "node": held.node }));
        }
        return Ok(Exit::Ok);
    }
    if !out.is_table() {
        out.json(
            "lgsp.recover/1",
            json!({
                "node": held.node, "last_term": held.last_term, "last_log": held.last_log,
                "committed": held.committed, "standing": held.standing.word(),
            }),
        );
        return Ok(Exit::Ok);
    }
    let number = |number: Option<u64>| number.map_or_else(|| "-".into(), |it| it.to_string());
    let (last, committed) = (number(held.last_log), number(held.committed));
    let standing = states::standing(out.lang, held.standing.word());
    let directory = quoted(&args.data_dir);
    out.print(out.fill(
        words::HELD,
        &[
            ("node", &held.node),
            ("term", &held.last_term),
            ("last", &last),
            ("committed", &committed),
            ("standing", &standing),
        ],
    ));
    out.say(out.fill(words::HELD_NEXT, &[("directory", &directory)]));
    Ok(Exit::Ok)
}

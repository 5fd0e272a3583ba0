#!/usr/bin/env python3
"""ratios.py RESULTS.jsonl PEER: medians of ours and the peer's at each point that both have, and their ratio."""
import collections, json, statistics, sys

groups = collections.defaultdict(list)
for line in open(sys.argv[1]):
    try:
        row = json.loads(line)
    except ValueError:
        continue
    if "failed" not in row and "mode" in row:
        groups[row["mode"], row.get("size"), row.get("conc"), row["peer"]].append(row)

peer = sys.argv[2]
keys = {"publish": ["ops_s", "publish_p50_ms", "publish_p99_ms"], "cycle": ["ops_s", "cycle_p50_ms", "cycle_p99_ms"]}
print(f"| point | size | conc | figure | lgsp | {peer} | ratio | runs | load |\n|" + " --- |" * 9)
for mode, size, conc, who in sorted(groups, key=str):
    theirs = groups.get((mode, size, conc, peer))
    if who != "lgsp" or not theirs or mode not in keys:
        continue
    ours = groups[mode, size, conc, who]
    for key in keys[mode]:
        a, b = (statistics.median(r[key] for r in rows) for rows in (ours, theirs))
        load = statistics.median(r.get("load", 0) for r in ours + theirs)
        ratio = f"{a / b:.2f}" if b else "-"
        print(f"| {mode} | {size} | {conc} | {key} | {a:,.2f} | {b:,.2f} | {ratio} | {len(ours)}/{len(theirs)} | {load:.1f} |")

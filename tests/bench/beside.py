#!/usr/bin/env python3
"""beside.py: two programs' load tools at the same time on one machine, so that its noise meets both alike.

    tests/bench/beside.py BEFORE/load AFTER/load --phases submit,cycle --conc 16,64 --secs 8 --rounds 4

Each round starts both at once, in changing order, one point (phase and connections) after the other. What is
printed is the second program's figure over the first one's: packets a second, and processor time a packet over
all nodes. Rates are those of half a machine; ratios of two such rounds differ by some two hundredths here, where
rounds one after the other differ by ten. Both programs must take as long to form a cluster, or the slower one has
the machine for itself at its end: that time is printed too. Each runs in a network of its own where this system
lets us make one, so that their datagrams are counted apart. What only one of the two counts is left out.
"""
import argparse, json, statistics, subprocess, tempfile

ALONE = ["unshare", "--net", "--map-root-user", "sh", "-c", 'ip link set lo up && exec "$0" "$@"']
if subprocess.run(ALONE + ["true"], stderr=subprocess.DEVNULL).returncode != 0:
    ALONE = []


def run(programs, phase, conc, secs):
    """Both at once; the figures of each."""
    with tempfile.TemporaryDirectory() as place:
        started = []
        for name, program in programs:
            out = f"{place}/{name}.jsonl"
            command = ALONE + [program, "--phases", phase, "--secs", str(secs), "--conc", conc, "--json", out]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            started.append((name, process, out))
        figures = {}
        for name, process, out in started:
            if process.wait() != 0:
                raise SystemExit(f"{name} failed: see {out}")
            figures[name] = {}
            with open(out, encoding="utf-8") as lines:
                for line in map(json.loads, lines):
                    figures[name].update({key: line[key] for key in KEYS if key in line})
        return figures


KEYS = ("ops_s", "node_cpu_us_per_msg", "switches_per_msg", "datagrams_per_msg", "written_per_msg", "publish_p50_ms", "publish_p99_ms", "formed_s")


def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("before")
    ask.add_argument("after")
    ask.add_argument("--phases", default="submit,cycle")
    ask.add_argument("--conc", default="16,64")
    ask.add_argument("--secs", type=int, default=8)
    ask.add_argument("--rounds", type=int, default=4)
    asked = ask.parse_args()
    for phase in asked.phases.split(","):
        for conc in asked.conc.split(","):
            ratios = {key: [] for key in KEYS}
            for turn in range(asked.rounds):
                programs = [("before", asked.before), ("after", asked.after)]
                figures = run(programs[:: 1 if turn % 2 == 0 else -1], phase, conc, asked.secs)
                for key in (key for key in KEYS if figures["before"].get(key) and key in figures["after"]):
                    ratios[key].append(figures["after"][key] / figures["before"][key])
            said = "  ".join(f"{key} {statistics.median(of):.3f} ({min(of):.2f} to {max(of):.2f})" for key, of in ratios.items() if of)
            print(f"{phase} {conc}: {said}", flush=True)


if __name__ == "__main__":
    main()

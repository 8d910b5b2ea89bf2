"""`python -m benchmarks [--only P2,P3] [--people N] [--orders N] [--million] [--rounds N]`: into build/bench.json."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks import fairness, first_sync, intake, live, pixel

OUTPUT = Path("build") / "bench.json"


def main() -> None:
    """Run the chosen benchmarks one after the other; a figure that misses its goal is printed as such, not hidden."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="P1,P2,P3,P4,P5,P6,P7,P8,P9", help="which figures, by comma")
    parser.add_argument("--people", type=int, default=23_570, help="people of P2 and P3")
    parser.add_argument("--orders", type=int, default=100_000, help="orders of P7's big shop")
    parser.add_argument("--million", action="store_true", help="P4 and P8 at 100,000 and 1,000,000 (takes a while)")
    parser.add_argument("--rounds", type=int, default=3, help="how often both sides are measured (P1, P2, P9)")
    chosen = parser.parse_args()
    wanted = {name.strip().upper() for name in chosen.only.split(",")}
    sizes = (100_000, 1_000_000) if chosen.million else (20_000, 200_000)
    found = []
    if "P1" in wanted:
        found.append(intake.signed_webhooks(chosen.rounds))
    if "P2" in wanted:
        found.append(first_sync.against_bare_calls(chosen.people, chosen.rounds))
    if "P3" in wanted:
        found.append(first_sync.against_one_put_each(chosen.people))
    if wanted & {"P4", "P8"}:
        found += [figure for figure in first_sync.growth(*sizes) if figure["id"] in wanted]
    if "P5" in wanted:
        found.append(live.burst())
    if "P6" in wanted:
        found.append(live.latency())
    if "P7" in wanted:
        found.append(fairness.beside_a_backfill(chosen.orders))
    if "P9" in wanted:
        found.append(pixel.webhooks_beside_visitors(chosen.rounds))
    for figure in found:
        verdict = "holds" if figure["holds"] else "MISSED"
        print(
            f"{figure['id']}  {figure['work']}\n    ours {figure['ours']}  yardstick {figure['yardstick']}"
            f"  ratio {figure['ratio']}  goal {figure['goal']}  {verdict}"
        )
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps(found, indent=1) + "\n")
    print(f"written to {OUTPUT}")


if __name__ == "__main__":
    main()

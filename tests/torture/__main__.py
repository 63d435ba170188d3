"""Random faults against a running pipeline with SQLite and MariaDB; ends with what was lost, twice and missing.

python -m tests.torture --rounds 200 --seed 7     the seed of a failing run reproduces its schedule
python -m tests.torture --mutants                 breaks the code in the named ways and shows that it is noticed
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.mariadb import server_binary
from tests.torture import mutants, ordeal


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, help="of the schedule (default: a random one, printed)")
    parser.add_argument("--mutants", action="store_true", help="run the mutants instead")
    parser.add_argument("--only", help="only faults with this in their name")
    parser.add_argument("--no-catch-up", action="store_true", help="leave the measured catch-up out")
    args = parser.parse_args()
    if server_binary() is None:
        print("torture needs a MariaDB server: apt-get install mariadb-server", file=sys.stderr)
        return 2
    seed = random.SystemRandom().randrange(1_000_000) if args.seed is None else args.seed
    with tempfile.TemporaryDirectory(prefix="bp-") as directory:
        if args.mutants:
            return mutants.main(Path(directory), seed)
        return ordeal.main(Path(directory), args.rounds, seed, only=args.only, catch_up=not args.no_catch_up)


if __name__ == "__main__":
    sys.exit(main())

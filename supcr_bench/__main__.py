"""``python -m supcr_bench``."""

from supcr_bench.commands.app import main

if __name__ == "__main__":
    main()

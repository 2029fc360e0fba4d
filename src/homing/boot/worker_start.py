"""Where the process of a worker begins: `python -m homing.boot.worker_start`."""

from homing.ground import collector


def main() -> None:
    """Read the modules of the house, then run the worker."""
    with collector.at_rest():
        from homing.boot import worker
    worker.main()


if __name__ == "__main__":
    main()

"""A whole pipeline under test: real processes, two real databases, a proxy between, and the books that must balance.

    with rig(directory, server) as it:            # a made-up recording, SQLite and MariaDB, a proxy before MariaDB
        it.pipeline.start()
        it.pipeline.wait_polls(5)
        os.kill(it.pipeline.pid_of("fetcher"), signal.SIGKILL)
        it.pipeline.wait_polls(5)
        assert it.settle().clean

Everything that was started is killed when the block ends, however it ends.
"""

from tests.harness.balance import Balance
from tests.harness.pipeline import Pipeline, wait_until
from tests.harness.proxy import Proxy
from tests.harness.recording import make_recording
from tests.harness.rig import Rig, rig

__all__ = ["Balance", "Pipeline", "Proxy", "Rig", "make_recording", "rig", "wait_until"]

import socket
import subprocess
import sys
from itertools import chain

import pytest

from condetr.core import distributed
from condetr.core.distributed import (
    SINGLE_PROCESS,
    Peer,
    ProcessShard,
    current_shard,
    dead_peers,
    merge_shards,
    process_group,
)
from condetr.core.errors import UsageError


@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize("images", [0, 1, 7])
def test_every_image_is_in_one_share(images, count):
    shares = [list(ProcessShard(rank, count).positions(images)) for rank in range(count)]
    assert sorted(chain(*shares)) == list(range(images))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_single_process_needs_no_group():
    assert current_shard() is SINGLE_PROCESS
    assert (SINGLE_PROCESS.is_first, SINGLE_PROCESS.gather(5)) == (True, [5])
    with process_group() as share:
        assert share is SINGLE_PROCESS


@pytest.mark.parametrize(
    ("parts", "says"), [([{0: "a"}, {0: "b"}], "image 0 is in 2 shards"), ([{1: "a"}], "image 0 is in 0 shards")]
)
def test_each_image_once(parts, says):
    with pytest.raises(UsageError, match=says):
        merge_shards(parts, 2)


def test_processes_that_cannot_connect(monkeypatch):
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match=r"the processes cannot connect to each other: .*RANK"), process_group():
        pass


def test_a_peer_that_ended_is_found(monkeypatch):
    monkeypatch.setattr(distributed, "DETECTION_TIME", 0.0)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
        peers = [Peer.current(0), Peer(1, socket.gethostname(), child.pid), Peer(2, "elsewhere", 1 << 30)]
        assert dead_peers(peers) == []
        child.kill()
        monkeypatch.setattr(distributed, "DETECTION_TIME", 5.0)  # its exit status has not been collected yet
        assert dead_peers(peers) == [peers[1]]
    assert str(peers[2]) == f"process 2 (pid {1 << 30} on elsewhere)"

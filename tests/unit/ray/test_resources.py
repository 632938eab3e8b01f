import pytest

from condetr.core.errors import UsageError
from condetr.ray.resources import Workers, workers_for

BOX = {"CPU": 16.0, "GPU": 4.0}


def workers(nodes, device="auto", environment=None, **options):
    return workers_for(nodes, device=device, environment=environment or {}, **options)


def test_without_gpus_each_node_has_an_actor_with_all_its_threads():
    assert workers([{"CPU": 2.0}]) == Workers(actors=1, gpus=0.0, device="cpu", threads=2, decoders=1)
    assert workers([{"CPU": 8.0}, {"CPU": 8.0}, {"CPU": 0.0}]).actors == 2
    assert workers([{"CPU": 8.0}], actors=4).threads == 2
    assert workers([{"CPU": 2.0}], actors=4).threads == 1


def test_each_gpu_has_an_actor():
    found = workers([BOX, BOX])
    assert (found.actors, found.gpus, found.device, found.threads, found.decoders) == (8, 1.0, "auto", 1, 32)


@pytest.mark.parametrize(("share", "count"), [(0.5, 8), (0.3, 12), (1 / 3, 12), (2.0, 2), (3.0, 1)])
def test_actors_share_gpus_or_have_several(share, count):
    assert workers([BOX], gpus_per_actor=share).actors == count


def test_the_processor_is_used_where_it_is_chosen():
    assert workers([BOX], device="cpu").gpus == workers([BOX], gpus_per_actor=0).gpus == 0
    assert workers([BOX], gpus_per_actor=0).device == "cpu"


def test_the_number_of_threads_may_be_chosen():
    assert workers([{"CPU": 8.0}], environment={"OMP_NUM_THREADS": "3"}).threads == 3
    assert workers([{"CPU": 8.0}], environment={"OMP_NUM_THREADS": "many"}).threads == 8


@pytest.mark.parametrize(
    ("nodes", "options", "message"),
    [
        ([{"CPU": 2.0}], {"gpus_per_actor": 1}, "actors: 1 actors with 1 GPUs each do not fit: the cluster has 0 GPUs"),
        ([BOX], {"actors": 9, "gpus_per_actor": 0.5}, "at most 8 fit"),
        ([BOX], {"device": "cpu", "gpus_per_actor": 1}, "leave out --device cpu"),
    ],
)
def test_what_does_not_fit_is_refused(nodes, options, message):
    with pytest.raises(UsageError, match=message):
        workers(nodes, **options)

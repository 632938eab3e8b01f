"""The files in deploy/: they agree with condetr, and follow the schemas of their tools, where these are installed."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from condetr.cli.commands.serve import ServeSettings
from condetr.serving.limits import Limits

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


def documents(name):
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def options(words):
    """The options of a command line, all of which `condetr serve` has."""
    assert words[0] == "serve"
    pairs = re.findall(r"--([a-z-]+)[= ](\S+)", " ".join(words))
    assert len(" ".join(words).split("--")) == len(pairs) + 1
    values = {}
    for name, value in pairs:
        values.setdefault(name.replace("-", "_"), []).append(value)
    assert values.keys() <= ServeSettings.__dataclass_fields__.keys()
    return values


DEPLOYMENT, SERVICE, BUDGET = documents("kubernetes.yaml")
[KSERVE] = documents("kserve.yaml")
POD = DEPLOYMENT["spec"]["template"]
CONTAINERS = {"kubernetes": POD["spec"]["containers"][0], "kserve": KSERVE["spec"]["predictor"]["containers"][0]}


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_listens_where_its_probes_ask(name):
    container = CONTAINERS[name]
    asked = options(container["args"])
    port = int(asked.get("port", ["8000"])[0])
    assert [each["containerPort"] for each in container["ports"]] == [port]
    names = {each.get("name"): each["containerPort"] for each in container["ports"]}
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        if (probe := container.get(kind)) is not None:
            assert names.get(probe["httpGet"]["port"], probe["httpGet"]["port"]) == port
            assert probe["httpGet"]["path"] in ("/v2/health/ready", "/v2/health/live")
    assert asked["host"] == ["0.0.0.0"]


def test_parts_of_the_kubernetes_manifest_fit_each_other():
    labels = POD["metadata"]["labels"]
    for selector in (DEPLOYMENT["spec"]["selector"]["matchLabels"], SERVICE["spec"]["selector"]):
        assert selector.items() <= labels.items()
    assert BUDGET["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert BUDGET["spec"]["minAvailable"] < DEPLOYMENT["spec"]["replicas"]
    assert POD["spec"]["terminationGracePeriodSeconds"] > Limits().drain_seconds
    container = CONTAINERS["kubernetes"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        volume["name"] for volume in POD["spec"]["volumes"]
    }
    hosts = options(container["args"])["allowed_host"]
    assert SERVICE["metadata"]["name"] in hosts
    assert SERVICE["spec"]["ports"][0]["targetPort"] == container["ports"][0]["name"]


def test_compose_builds_targets_of_the_dockerfile():
    [compose] = documents("compose.yaml")
    targets = re.findall(r"^FROM \S+ AS (\w+)$", DOCKERFILE, re.MULTILINE)
    assert targets[-1] == "cpu", "what is built without --target"
    for service in compose["services"].values():
        build = service["build"]
        assert build["target"] in targets
        assert (DEPLOY / build["context"] / build["dockerfile"]).resolve() == DEPLOY / "Dockerfile"
        assert options(service["command"])["host"] == ["0.0.0.0"]
        assert service["ports"][0].startswith("127.0.0.1:"), "other machines only where it is asked for"
        assert int(service["stop_grace_period"].removesuffix("s")) > Limits().drain_seconds


def test_the_dockerfile_copies_what_its_context_has():
    allowed = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    copied = [word for line in re.findall(r"^COPY (?!--)(.+)$", DOCKERFILE, re.MULTILINE) for word in line.split()[:-1]]
    assert copied
    for name in copied:
        assert (ROOT / name).exists()
        assert f"!{name}" in allowed
    assert options(json.loads(re.search(r"^CMD (\[.+\])$", DOCKERFILE, re.MULTILINE)[1]))["host"] == ["0.0.0.0"]
    assert not re.search(r"^USER (root|0)", DOCKERFILE, re.MULTILINE)
    assert len(re.findall(r"^USER 1000:1000$", DOCKERFILE, re.MULTILINE)) == 2


def test_the_schemas_of_kubernetes():
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    for document in (DEPLOYMENT, SERVICE, BUDGET):
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="needs hadolint")
def test_hadolint():
    done = subprocess.run(["hadolint", DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")

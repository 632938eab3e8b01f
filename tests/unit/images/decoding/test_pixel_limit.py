import pytest

from condetr.core.errors import ImageError, SettingsError
from condetr.images.decoding.decode import decode
from condetr.images.decoding.headers import upright_size
from condetr.images.decoding.pixel_limit import PIXEL_LIMIT, VARIABLE, default_limit
from condetr.images.image_inputs import image_of
from tests.unit.images.images import encoded, quarters


def test_the_hint_names_a_sufficient_limit(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(quarters(), "PNG"))
    monkeypatch.setenv(VARIABLE, "6_143")
    for read in (decode, upright_size, image_of, lambda path: decode(quarters())):
        with pytest.raises(ImageError, match="over the limit of 6143 pixels") as caught:
            read(path)
    name, value = caught.value.hint.rpartition(" ")[2].split("=")
    monkeypatch.setenv(name, value)
    assert decode(path).size == (96, 64)
    with pytest.raises(ImageError, match="over the limit of 9 pixels") as caught:
        decode(path, pixel_limit=9)
    assert VARIABLE not in caught.value.hint


def test_the_default_limit(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert default_limit() == PIXEL_LIMIT


@pytest.mark.parametrize("value", ["many", "0", "-1", "1e9", "9" * 99, "٣"])
def test_an_invalid_pixel_limit_is_refused_with_the_variable(value, monkeypatch):
    monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(SettingsError, match=VARIABLE):
        decode(quarters())

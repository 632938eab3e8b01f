import pytest

from condetr.files.inside import OutsideFolderError, path_inside


def test_only_the_name_counts_unless_links_are_followed(tmp_path, tmp_path_factory):
    (tmp_path / "link.png").symlink_to(tmp_path_factory.mktemp("other") / "a.png")
    assert path_inside(tmp_path, "link.png") == tmp_path / "link.png"
    with pytest.raises(OutsideFolderError, match="outside of the folder"):
        path_inside(tmp_path, "link.png", follow_links=True)


@pytest.mark.parametrize("follow_links", [True, False])
def test_a_name_may_not_lead_out_of_the_folder(tmp_path, follow_links):
    assert path_inside(tmp_path, "sub/../a.png", follow_links=follow_links) == (tmp_path / "a.png").resolve()
    for name in ("../a.png", "/etc/passwd", "sub/../../a.png", "C:\\a.png"):
        with pytest.raises(OutsideFolderError):
            path_inside(tmp_path, name, follow_links=follow_links)

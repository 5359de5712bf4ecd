"""A file or folder is written whole, or what was there before stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from redditgnn.runtime.files import whole_file, whole_folder


def failing_write(path: Path) -> None:
    with whole_file(path) as file:
        file.write(b"half")
        raise OSError("no space left on device")


def failing_folder(folder: Path) -> None:
    with whole_folder(folder) as partial:
        (partial / "new").touch()
        raise OSError("no space left on device")


def test_a_file_appears_whole(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a.csv") as file:
        file.write(b"new")
        assert not (tmp_path / "a.csv").exists()
    assert (tmp_path / "a.csv").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"old")
    with pytest.raises(OSError, match="no space"):
        failing_write(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_link_keeps_pointing_to_the_file_which_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target = tmp_path / "there" / "a.csv"
    target.write_bytes(b"old")
    target.chmod(0o640)
    (tmp_path / "a.csv").symlink_to(target)
    with whole_file(tmp_path / "a.csv") as file:
        file.write(b"new")
    assert (tmp_path / "a.csv").is_symlink()
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o640


def test_writers_of_a_shared_file_have_files_of_their_own(tmp_path: Path) -> None:
    with whole_file(tmp_path / "part.npy", shared=True) as file:
        assert file.name != str(tmp_path / ".part.npy.tmp")
        file.write(b"new")
    assert (tmp_path / "part.npy").read_bytes() == b"new"


def test_a_folder_appears_whole_and_replaces_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "old").touch()
    with whole_folder(folder) as partial:
        (partial / "new").write_text("1")
        assert (folder / "old").exists()
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_a_folder_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "old").touch()
    with pytest.raises(OSError, match="no space"):
        failing_folder(folder)
    assert [path.name for path in folder.iterdir()] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_what_a_killed_process_left_of_a_folder_goes_with_the_next_write(tmp_path: Path) -> None:
    (tmp_path / "cache.tmp123").mkdir()
    with whole_folder(tmp_path / "cache") as partial:
        (partial / "new").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]

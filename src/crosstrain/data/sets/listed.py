"""Pictures in one folder with a list of their classes, as ImageNet has them for validation.

A list is ``NAME.txt`` beside the folder NAME (``val.txt``, as Caffe's ``ILSVRC2012_val_00000001.JPEG 65``) or
``NAME_annotations.txt`` in it (Tiny ImageNet): in each line a file and its class, by the name of the class's
folder for training or by its position, from 0, in their order; further columns are passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crosstrain.errors import CrosstrainError


def list_of(folder: Path, classes: Sequence[str]) -> Path | None:
    """The list of a folder; None where there is none, or the folder has folders of classes."""
    if any((folder / name).is_dir() for name in classes):
        return None
    places = (folder.with_name(f"{folder.name}.txt"), folder / f"{folder.name}_annotations.txt")
    return next((place for place in places if place.is_file()), None)


def pictures(
    list_file: Path, files: Sequence[Path], classes: Sequence[str]
) -> tuple[list[tuple[Path, int]], list[Path]]:
    """The ``files`` in the list with their classes, and those that are not in it. ``CrosstrainError`` names
    the first line that cannot be used."""
    by_name = {path.name: path for path in files}
    numbers = {name: number for number, name in enumerate(classes)}
    found: dict[Path, int] = {}
    try:
        lines = list_file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CrosstrainError(f"the list {list_file} cannot be read ({error})") from error
    for row, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name, _, rest = line.strip().replace("\t", " ").partition(" ")
        label = rest.split()[0] if rest.split() else ""
        number = numbers.get(label, int(label) if label.isdecimal() else -1)
        if not 0 <= number < len(classes):
            raise CrosstrainError(
                f"{list_file}, line {row}: {label!r} is neither a class of training nor a number from 0 to "
                f"{len(classes) - 1}"
            )
        path = by_name.get(Path(name).name)
        if path is None:
            raise CrosstrainError(f"{list_file}, line {row}: there is no picture {name}")
        found[path] = number
    return list(found.items()), [path for path in files if path not in found]

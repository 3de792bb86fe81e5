"""Layers between Krita and files: the line layer out as PNG, the result in as a group."""

from pathlib import Path
from xml.etree import ElementTree
from zipfile import ZipFile

from krita import Document, InfoObject, Krita, Node
from PyQt5.QtCore import QTimer
from PyQt5.QtGui import QImage

GROUP = "refcolor"


def save_layer(document: Document, layer: Node, path: Path) -> bool:
    """Write a layer or group as a PNG of the document's size; return whether it was written."""
    Krita.instance().setBatchmode(True)  # no questions
    resolution = document.xRes() / 72, document.yRes() / 72  # per point
    layer.save(str(path), *resolution, InfoObject(), document.bounds())
    Krita.instance().setBatchmode(False)
    return path.exists()


def insert_result(document: Document, lines: Node, drawing: Path, result: Path) -> None:
    """Insert the layers of an OpenRaster file as a group below the line layer.

    A layer with paper, such as a scan, would hide the colours: then the group lies above it and has
    the lines too. The line layer itself stays as it is.
    """
    group = document.createNode(GROUP, "grouplayer")
    with ZipFile(result) as archive:
        stack = ElementTree.fromstring(archive.read("stack.xml")).find("stack")
        *colors, ink = reversed(stack)  # the topmost comes first in the file
        has_paper = _opacity(QImage(str(drawing))) > 1.1 * _opacity(_picture(archive, ink))
        for element in [*colors, ink] if has_paper else colors:
            group.addChildNode(_node(document, archive, element), None)
    parent = lines.parentNode()
    siblings = parent.childNodes()  # the lowest first
    place = siblings.index(lines)
    if has_paper or place == 0:
        parent.addChildNode(group, lines)
    else:
        parent.addChildNode(group, siblings[place - 1])
    if not has_paper and place == 0:  # Krita adds above a layer only
        parent.removeChildNode(lines)
        parent.addChildNode(lines, group)
    document.refreshProjection()
    # Krita selects a new layer later; the next colouring should be of the same lines.
    QTimer.singleShot(0, lambda: document.setActiveNode(lines))


def _node(document: Document, archive: ZipFile, element: ElementTree.Element) -> Node:
    name = element.attrib["name"]
    if element.tag == "stack":
        group = document.createNode(name, "grouplayer")
        for inner in reversed(element):
            group.addChildNode(_node(document, archive, inner), None)
        return group
    picture = _picture(archive, element)
    node = document.createNode(name, "paintlayer")
    node.setColorSpace("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")
    place = int(element.attrib["x"]), int(element.attrib["y"])
    node.setPixelData(_bytes(picture), *place, picture.width(), picture.height())
    if element.get("composite-op") == "svg:multiply":
        node.setBlendingMode("multiply")
    return node


def _picture(archive: ZipFile, element: ElementTree.Element) -> QImage:
    picture = QImage.fromData(archive.read(element.attrib["src"]))
    return picture.convertToFormat(QImage.Format_ARGB32)  # blue, green, red, alpha, as in Krita


def _opacity(picture: QImage) -> int:
    return sum(_bytes(picture.convertToFormat(QImage.Format_ARGB32))[3::4])


def _bytes(picture: QImage) -> bytes:
    return bytes(picture.constBits().asarray(picture.sizeInBytes()))

"""The dock: references, size and look; its button runs `refcolor colorize` on a layer."""

from __future__ import annotations  # Krita's Python may be older than refcolor's

import os
import tempfile
from pathlib import Path

from krita import DockWidget, Document, Krita, Node
from PyQt5.QtCore import QProcess, QProcessEnvironment, QSize, Qt
from PyQt5.QtGui import QIcon
from PyQt5.QtWidgets import (
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QRadioButton,
    QSpinBox,
    QWidget,
)

from .layers import insert_result, save_layer

COLOR = "Colour the selected layer"
THUMBNAIL = 48  # pixels
PROGRAM = "program"  # the setting that is kept when Krita ends
PICTURES = "Pictures (*.png *.jpg *.jpeg *.webp *.bmp *.gif *.tif *.tiff *.avif *.psd *.ora)"
# Krita may set them for the Python inside it; they would break refcolor's.
INNER_PYTHON = ("PYTHONHOME", "PYTHONPATH", "LD_LIBRARY_PATH")


class Dock(DockWidget):
    """Colour the selected layer in a process of its own; its result becomes layers below it."""

    def __init__(self) -> None:
        """Lay the dock out; Krita calls this for each of its windows."""
        super().__init__()
        self.setWindowTitle("refcolor")
        self.references = QListWidget()
        self.references.setSelectionMode(QListWidget.ExtendedSelection)
        self.references.setIconSize(QSize(THUMBNAIL, THUMBNAIL))
        add, remove = QPushButton("Add…"), QPushButton("Remove")
        add.clicked.connect(self._choose_references)
        remove.clicked.connect(self._remove_references)
        self.flat, self.soft = QRadioButton("Flat"), QRadioButton("Soft")
        self.flat.setChecked(True)
        self.tolerance = QDoubleSpinBox(minimum=0, maximum=100, value=12, decimals=0)
        self.tolerance.setToolTip("Colours that differ less become one; 2 is just visible")
        self.flat.toggled.connect(self.tolerance.setEnabled)
        self.size = QSpinBox(maximum=1024, singleStep=16, specialValueText="as trained")
        self.size.setToolTip("Pixels of the longer side at which the model works")
        self.program = QLineEdit(Krita.instance().readSetting("refcolor", PROGRAM, "refcolor"))
        self.program.setToolTip("The program refcolor of the environment that you installed it in")
        choose = QPushButton("…")
        choose.clicked.connect(self._choose_program)
        self.button = QPushButton(COLOR)
        self.button.clicked.connect(self._start_or_stop)
        self.progress = QProgressBar(maximum=0, visible=False)
        self.message = QLabel(wordWrap=True, textInteractionFlags=Qt.TextSelectableByMouse)

        form = QFormLayout()
        form.addRow("References", self.references)
        form.addRow(_row(add, remove))
        form.addRow("Colours", _row(self.flat, self.soft))
        form.addRow("Tolerance", self.tolerance)
        form.addRow("Size", self.size)
        form.addRow("Program", _row(self.program, choose))
        form.addRow(self.button)
        form.addRow(self.progress)
        form.addRow(self.message)
        widget = QWidget()
        widget.setLayout(form)
        self.setWidget(widget)

        self._process = QProcess(self)
        environment = QProcessEnvironment.systemEnvironment()
        for name in INNER_PYTHON:
            environment.remove(name)
        self._process.setProcessEnvironment(environment)
        self._process.errorOccurred.connect(self._failed)
        self._process.finished.connect(self._finished)
        self._folder: tempfile.TemporaryDirectory[str] | None = None  # while a layer is coloured

    def canvasChanged(self, canvas: object) -> None:  # noqa: N802, Krita calls it
        """Do nothing: the button looks for the selected layer when it is pressed."""

    def add_references(self, paths: list[str]) -> None:
        """Add pictures to the list, which shows them with their names."""
        for path in paths:
            item = QListWidgetItem(QIcon(path), Path(path).name, self.references)
            item.setData(Qt.UserRole, path)
            item.setToolTip(path)

    def _choose_references(self) -> None:
        self.add_references(QFileDialog.getOpenFileNames(self, "References", "", PICTURES)[0])

    def _remove_references(self) -> None:
        for item in self.references.selectedItems():
            self.references.takeItem(self.references.row(item))

    def _choose_program(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "The program refcolor")
        if name:
            self.program.setText(name)

    def _start_or_stop(self) -> None:
        if self._folder:
            self._process.kill()
            return
        document = Krita.instance().activeDocument()
        items = [self.references.item(row) for row in range(self.references.count())]
        if document is None:
            self.message.setText("Open a drawing and select the layer with its lines.")
        elif not items:
            self.message.setText("Add a picture to take colours from.")
        else:
            references = [item.data(Qt.UserRole) for item in items]
            self._start(document, document.activeNode(), references)

    def _start(self, document: Document, lines: Node, references: list[str]) -> None:
        self._document, self._lines = document, lines
        self._folder = tempfile.TemporaryDirectory(prefix="refcolor-")
        self._drawing = Path(self._folder.name, "drawing.png")
        self._result = Path(self._folder.name, "colored.ora")
        if not save_layer(document, lines, self._drawing):
            self._end(f"The layer “{lines.name()}” could not be written to {self._drawing}.")
            return
        program = os.path.expanduser(self.program.text().strip())
        Krita.instance().writeSetting("refcolor", PROGRAM, program)
        self.message.setText(f"Colouring the layer “{lines.name()}” …")
        self.button.setText("Stop")
        self.progress.show()
        self._process.start(program, ["colorize", str(self._drawing), *self._options(references)])

    def _options(self, references: list[str]) -> list[str]:
        options = ["--ora", "--output", str(self._result.with_suffix(".png"))]
        options += ["--reference", *references]
        if len(references) > 1:
            options.append("--together")
        if self.flat.isChecked():
            options += ["--flat-tolerance", str(self.tolerance.value())]
        else:
            options.append("--soft")
        if self.size.value():
            options += ["--size", str(self.size.value())]
        return options

    def _failed(self, error: int) -> None:
        if error == QProcess.FailedToStart:
            self._end(
                f"“{self._process.program()}” does not start. Program is the file refcolor of the "
                "environment where you installed it, in .venv/bin (Windows: .venv\\Scripts)."
            )

    def _finished(self, code: int, status: int) -> None:
        errors = bytes(self._process.readAllStandardError()).decode(errors="replace")
        if status == QProcess.CrashExit:
            self._end("Stopped; the drawing is as it was.")
        elif code:
            self._end(_reason(errors).replace(str(self._drawing), f"“{self._lines.name()}”"))
        elif self._document not in Krita.instance().documents() or not self._lines.parentNode():
            self._end("The drawing or its layer was removed before its colours came.")
        else:
            insert_result(self._document, self._lines, self._drawing, self._result)
            self._end("The colours are in the group “refcolor”.")

    def _end(self, message: str) -> None:
        if self._folder:
            self._folder.cleanup()
        self._folder = None
        self.message.setText(message)
        self.button.setText(COLOR)
        self.progress.hide()


def _reason(errors: str) -> str:
    """Return the line that says why refcolor failed: what one drawing failed of, or the last."""
    lines = [line for line in errors.splitlines() if line.strip()] or ["refcolor failed silently."]
    failures = [line for line in lines if line.startswith("failed: ")]
    return [*lines, *failures][-1].removeprefix("failed: ").removeprefix("refcolor: ")


def _row(*widgets: QWidget) -> QWidget:
    row = QWidget()
    row.setLayout(QHBoxLayout())
    row.layout().setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        row.layout().addWidget(widget)
    return row

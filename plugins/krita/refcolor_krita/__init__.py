"""A dock for Krita 5 that colours the selected line layer with refcolor."""

from krita import DockWidgetFactory, DockWidgetFactoryBase, Krita

from .dock import Dock

Krita.instance().addDockWidgetFactory(
    DockWidgetFactory("refcolor_krita", DockWidgetFactoryBase.DockRight, Dock)
)

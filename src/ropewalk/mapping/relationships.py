"""``relationship()``: an attribute that refers to objects of a mapped class. Data only."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from ..exc import ArgumentError, SAWarning
from ..kernel.symbols import MANYTOONE, NO_ARG, RelationshipDirection
from . import configuring
from .adapting import JoinHelpers
from .cascades import CascadeOptions
from .joins import JoinCondition
from .marks import foreign, remote
from .properties import AttributeOptions, MapperProperty

if TYPE_CHECKING:
    from .mapper import Mapper

__all__ = [
    "RelationshipProperty",
    "backref",
    "dynamic_loader",
    "foreign",
    "relation",
    "relationship",
    "remote",
]

_ONLY_FOR_WRITING = {
    "passive_deletes": False,
    "passive_updates": True,
    "enable_typechecks": True,
    "active_history": False,
}
_VIEWONLY_CASCADES = frozenset({"expunge", "refresh-expire"})


class RelationshipProperty(JoinHelpers, MapperProperty):
    """A relationship between two mapped classes; :func:`relationship` tells what the parameters mean.

    What follows is there once the mapping is configured:

    :ivar mapper: the mapper of the class at the other end.
    :ivar entity: the same, or what ``inspect()`` gives for an alias.
    :ivar target: its table.
    :ivar direction: ONETOMANY, MANYTOONE or MANYTOMANY.
    :ivar primaryjoin, secondaryjoin: the conditions, with marks on their columns.
    :ivar local_remote_pairs: columns of this end and of the other that are compared.
    :ivar synchronize_pairs: source column and the column it is copied to.
    :ivar secondary_synchronize_pairs: the same from the target to the association table.
    :ivar reverse: the relationships that describe the same from the other end.
    """

    is_relationship = True

    mapper: Mapper[Any]
    entity: Any
    target: Any
    direction: RelationshipDirection
    join: JoinCondition
    uselist: bool

    def __init__(
        self,
        argument: Any = None,
        secondary: Any = None,
        *,
        uselist: bool | None = None,
        collection_class: Any = None,
        primaryjoin: Any = None,
        secondaryjoin: Any = None,
        back_populates: Any = None,
        order_by: Any = False,
        backref: Any = None,
        overlaps: str | None = None,
        post_update: bool = False,
        cascade: Any = NO_ARG,
        viewonly: bool = False,
        lazy: Any = "select",
        passive_deletes: Any = False,
        passive_updates: bool = True,
        active_history: bool = False,
        enable_typechecks: bool = True,
        foreign_keys: Any = None,
        remote_side: Any = None,
        join_depth: int | None = None,
        comparator_factory: Any = None,
        single_parent: bool = False,
        innerjoin: Any = False,
        distinct_target_key: bool | None = None,
        load_on_pending: bool = False,
        query_class: Any = None,
        info: dict[Any, Any] | None = None,
        omit_join: bool | None = None,
        sync_backref: bool | None = None,
        doc: str | None = None,
        peers: bool | None = None,
        attribute_options: AttributeOptions | None = None,
    ) -> None:
        super().__init__(doc=doc, info=info, attribute_options=attribute_options)
        self.argument = argument
        self.given_secondary = secondary
        self.given_uselist = uselist
        self.given_primaryjoin = primaryjoin
        self.given_secondaryjoin = secondaryjoin
        self.given_order_by = order_by
        self.given_foreign_keys = foreign_keys
        self.given_remote_side = remote_side
        self.collection_class = collection_class
        self.back_populates = back_populates
        self.backref = backref
        self.overlaps = frozenset(part for part in (overlaps or "").replace(",", " ").split() if part)
        self.post_update = post_update
        self.viewonly = viewonly
        self.lazy: str = _LAZY_NAMES.get(lazy, lazy)
        self.passive_deletes = passive_deletes
        self.passive_updates = passive_updates
        self.active_history = active_history
        self.enable_typechecks = enable_typechecks
        self.join_depth = join_depth
        self.comparator_factory = comparator_factory
        self.single_parent = single_parent
        self.innerjoin = innerjoin
        self.distinct_target_key = distinct_target_key
        self.load_on_pending = load_on_pending
        self.query_class = query_class
        self.omit_join = omit_join
        self.sync_backref = sync_backref
        self.peers = peers
        self.secondary: Any = None
        self.order_by: Any = False
        self.reverse: set[RelationshipProperty] = set()
        self.configured = False
        if uselist is not None:
            self.uselist = uselist
        self._check_arguments()
        self.cascade = self._cascade(cascade)

    # -- the parameters ----------------------------------------------------------------

    def _check_arguments(self) -> None:
        if self.back_populates is not None and self.backref is not None:
            raise ArgumentError(
                "A relationship takes back_populates, which names the other side's relationship, or backref, which "
                "makes one there; not both."
            )
        if not isinstance(self.lazy, str) or self.lazy not in _LAZY:
            raise ArgumentError(f"lazy={self.lazy!r} is not a way to load; there are {', '.join(sorted(_LAZY))}.")
        if self.viewonly:
            if self.sync_backref:
                raise ArgumentError("sync_backref=True has no meaning for a relationship with viewonly=True.")
            for name, usual in _ONLY_FOR_WRITING.items():
                if getattr(self, name) != usual:
                    warnings.warn(
                        f"{name} concerns writing and is of no effect on a relationship with viewonly=True.",
                        SAWarning,
                        stacklevel=4,
                    )

    def _cascade(self, given: Any) -> CascadeOptions:
        if given is NO_ARG or given is False:
            return CascadeOptions("merge" if self.viewonly else "save-update, merge")
        cascade = CascadeOptions(given)
        if self.viewonly and not cascade <= _VIEWONLY_CASCADES | {"merge"}:
            refused = ", ".join(sorted(cascade - _VIEWONLY_CASCADES - {"merge"}))
            raise ArgumentError(f"A relationship with viewonly=True writes nothing and cannot cascade {refused}.")
        return cascade

    # -- configuring -------------------------------------------------------------------

    def taken_in(self) -> None:
        configuring.announce(self.parent)

    def joined(self, join: JoinCondition) -> None:
        """Take over what the join condition tells."""
        self.join = join
        self.direction = join.direction
        self.primaryjoin = join.primaryjoin
        self.secondaryjoin = join.secondaryjoin
        self.local_columns = join.local_columns
        self.remote_side = join.remote_columns
        self.local_remote_pairs = join.local_remote_pairs
        self.synchronize_pairs = join.synchronize_pairs
        self.secondary_synchronize_pairs = join.secondary_synchronize_pairs
        if self.given_uselist is None:
            self.uselist = self.direction is not MANYTOONE

    def forget_wiring(self) -> None:
        """Be as before configuring, of which some other part failed."""
        for other in self.reverse:
            other.reverse.discard(self)
        self.reverse.clear()

    # -- what the floors above ask -------------------------------------------------------

    @property
    def is_self_referential(self) -> bool:
        return self.mapper.base_mapper is self.parent.base_mapper

    @property
    def syncs_backref(self) -> bool:
        """Whether a change here is passed on to the other side's attribute."""
        return not self.viewonly and self.sync_backref is not False


_LAZY_NAMES: dict[Any, str] = {
    None: "noload",
    False: "joined",
    True: "select",
}
_LAZY = frozenset(
    {
        "select",
        "joined",
        "subquery",
        "selectin",
        "immediate",
        "raise",
        "raise_on_sql",
        "noload",
        "dynamic",
        "write_only",
    }
)


def relationship(
    argument: Any = None,
    secondary: Any = None,
    *,
    init: Any = NO_ARG,
    repr: Any = NO_ARG,
    default: Any = NO_ARG,
    default_factory: Any = NO_ARG,
    compare: Any = NO_ARG,
    kw_only: Any = NO_ARG,
    hash: Any = NO_ARG,
    dataclass_metadata: Any = NO_ARG,
    **kw: Any,
) -> Any:
    options = AttributeOptions(init, repr, default, default_factory, compare, kw_only, hash, dataclass_metadata)
    return RelationshipProperty(argument, secondary, attribute_options=options, **kw)


def relation(*args: Any, **kw: Any) -> Any:
    """The name of :func:`relationship` in SQLAlchemy 0.4."""
    return relationship(*args, **kw)


def dynamic_loader(argument: Any = None, **kw: Any) -> Any:
    """A :func:`relationship` with ``lazy="dynamic"``: a collection that is queried, not loaded."""
    kw["lazy"] = "dynamic"
    return relationship(argument, **kw)


def backref(name: str, **kw: Any) -> tuple[str, dict[str, Any]]:
    """Say more of the relationship that ``backref=`` makes at the other end."""
    return name, kw

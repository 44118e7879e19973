"""How a Query is executed: options, flushing, locking, hints, parameters, names of columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.sql.selectable import SelectLabelStyle

from ..kernel.core import as_from
from .query_pieces import QueryPieces

if TYPE_CHECKING:
    from typing import Self

    from .session import Session

T = TypeVar("T")


class QuerySettings(QueryPieces[T]):
    """The methods of Query that change nothing of what is asked for."""

    def options(self, *args: Any) -> Self:
        """Apply loader options, such as ``undefer(User.photo)``."""
        flat: list[Any] = []
        for arg in args:
            flat.extend(arg) if isinstance(arg, (list, tuple)) else flat.append(arg)
        return self._copy(_loader_options=(*self._loader_options, *flat))

    def params(self, params: Mapping[str, Any] | None = None, /, **kw: Any) -> Self:
        """Give values for ``bindparam("name")`` or ``:name`` in the criteria."""
        return self._copy(_params={**self._params, **(params or {}), **kw})

    def execution_options(self, **kwargs: Any) -> Self:
        """Set options for the execution, such as ``yield_per=100`` or ``populate_existing=True``."""
        return self._copy(_execution={**self._execution, **kwargs})

    def get_execution_options(self) -> Mapping[str, Any]:
        """Return the options for the execution."""
        return self._execution

    def autoflush(self, setting: bool) -> Self:
        """Flush before the query, or do not, whatever the session's own setting."""
        return self.execution_options(autoflush=setting)

    def populate_existing(self) -> Self:
        """Overwrite what objects hold that are in the session already; their pending changes are lost."""
        return self.execution_options(populate_existing=True)

    def yield_per(self, count: int) -> Self:
        """Fetch and give so many objects at a time, so that memory does not grow with the result."""
        return self.execution_options(yield_per=count)

    def with_for_update(
        self,
        *,
        nowait: bool = False,
        read: bool = False,
        of: Any = None,
        skip_locked: bool = False,
        key_share: bool = False,
    ) -> Self:
        """Lock the rows until the transaction ends: ``SELECT ... FOR UPDATE``."""
        return self._step(
            "with_for_update", nowait=nowait, read=read, of=of, skip_locked=skip_locked, key_share=key_share
        )

    def with_session(self, session: Session) -> Self:
        """Execute in this session."""
        return self._copy(session=session, _plain=self._plain)

    def enable_assertions(self, value: bool) -> Self:
        """With ``False``, let methods be called in an order that makes no sense of what came before."""
        return self._copy(_assertions=value)

    def enable_eagerloads(self, value: bool) -> Self:
        """With ``False``, load no relationship with the query's objects, whatever mapping and options say."""
        return self._copy(_eager=value)

    def set_label_style(self, style: SelectLabelStyle) -> Self:
        """Set how columns are named in SQL, such as ``LABEL_STYLE_TABLENAME_PLUS_COL``."""
        return self._copy(_label_style=style)

    def with_labels(self) -> Self:
        """Name each column after its table and itself."""
        return self.set_label_style(SelectLabelStyle.LABEL_STYLE_TABLENAME_PLUS_COL)

    apply_labels = with_labels

    def prefix_with(self, *prefixes: Any, dialect: str = "*") -> Self:
        """Put words after SELECT, such as ``"SQL_NO_CACHE"``."""
        return self._step("prefix_with", *prefixes, dialect=dialect)

    def suffix_with(self, *suffixes: Any, dialect: str = "*") -> Self:
        """Put words at the end of the statement."""
        return self._step("suffix_with", *suffixes, dialect=dialect)

    def with_hint(self, selectable: Any, text: str, dialect_name: str = "*") -> Self:
        """Give the database a hint about a table."""
        return self._step("with_hint", as_from(selectable), text, dialect_name)

    def with_statement_hint(self, text: str, dialect_name: str = "*") -> Self:
        """Give the database a hint about the whole statement."""
        return self._step("with_statement_hint", text, dialect_name)

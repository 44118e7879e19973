"""Marks on columns: the private names of Core by which an occurrence of a column is told from another."""

from sqlalchemy import Column, Integer, MetaData, Table, select

from ropewalk.kernel.core import entity_column, forget_entities, marked, marks_of, statement_entity, unmarked
from ropewalk.mapping.marks import only_marks

ropes = Table("ropes", MetaData(), Column("id", Integer, primary_key=True), Column("part_of", Integer))


def test_a_marked_column_is_the_column_for_sets_and_sql():
    column = marked(ropes.c.id, remote=True)
    assert marks_of(column) == {"remote": True}
    assert column in {ropes.c.id}
    assert str(column == 5) == str(ropes.c.id == 5)
    assert "remote" not in marks_of(ropes.c.id)


def test_marks_add_up_and_come_off():
    column = marked(marked(ropes.c.id, remote=True), foreign=True)
    assert marks_of(column) == {"remote": True, "foreign": True}
    assert unmarked(column) is ropes.c.id
    assert unmarked(ropes.c.id) is ropes.c.id


class Entity:
    is_mapper = True

    def __init__(self):
        self.mapper = self


def test_an_expression_forgets_the_entity_it_was_made_from():
    expression = entity_column(ropes.c.id, Entity(), "id") == 5
    assert statement_entity(expression) is not None
    plain = only_marks(expression)
    assert statement_entity(plain) is None
    assert statement_entity(select(ropes.c.id).where(plain)) is None
    assert plain.left is ropes.c.id
    forget_entities(plain)  # again, harmlessly
    assert str(plain) == str(ropes.c.id == 5)

"""Alembic's autogenerate reads the metadata of a declarative base as it reads any other."""

import pytest
from alembic.autogenerate import compare_metadata, produce_migrations, render_python_code
from alembic.migration import MigrationContext
from sqlalchemy import ForeignKey, Index, MetaData, String, text

from ropewalk import DeclarativeBase, Mapped, mapped_column


@pytest.fixture
def Base():
    class Base(DeclarativeBase):
        pass

    class Owner(Base):
        __tablename__ = "owner"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(50), unique=True)

    class Pet(Base):
        __tablename__ = "pet"
        __table_args__ = (Index("pet_by_kind", "kind"),)
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str] = mapped_column(String(20))
        weight: Mapped[float | None]
        owner_id: Mapped[int | None] = mapped_column(ForeignKey("owner.id"))

    return Base


def differences(engine, base):
    with engine.connect() as connection:
        return compare_metadata(MigrationContext.configure(connection), base.metadata)


def test_empty_database_lacks_every_table(engine, Base):
    added = [change[1].name for change in differences(engine, Base) if change[0] == "add_table"]
    assert sorted(added) == ["owner", "pet"]


def test_database_made_from_the_metadata_lacks_nothing(engine, Base):
    Base.metadata.create_all(engine)
    assert differences(engine, Base) == []


def test_new_column_of_a_class_is_found(engine, Base):
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE pet DROP COLUMN weight"))
    ((kind, schema, table, column),) = differences(engine, Base)
    assert (kind, table, column.name) == ("add_column", "pet", "weight")


def test_table_without_a_class_is_found(engine, Base):
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE stray (id INTEGER)"))
    ((kind, table),) = differences(engine, Base)
    assert (kind, table.name) == ("remove_table", "stray")


def test_changed_nullability_is_found(engine, Base):
    Base.metadata.create_all(engine)

    class Later(DeclarativeBase):
        metadata = MetaData()

    for table in Base.metadata.sorted_tables:
        table.to_metadata(Later.metadata)
    Later.metadata.tables["pet"].c.weight.nullable = False
    changes = [change for group in differences(engine, Later) for change in group]
    assert [change[0] for change in changes] == ["modify_nullable"]


def test_migration_is_rendered_with_tables_columns_and_keys(sqlite_engine, Base):
    with sqlite_engine.connect() as connection:
        script = produce_migrations(MigrationContext.configure(connection), Base.metadata)
    code = render_python_code(script.upgrade_ops)
    assert "op.create_table('pet'" in code
    assert "sa.ForeignKeyConstraint(['owner_id'], ['owner.id']" in code
    assert "sa.Column('kind', sa.String(length=20), nullable=False)" in code
    assert "op.create_index('pet_by_kind'" in code

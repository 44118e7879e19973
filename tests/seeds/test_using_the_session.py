"""The chapter "Using the Session", page 1: each behaviour it describes, in its order."""

import gc

import pytest
from databases import count_statements
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, func
from sqlalchemy import select as core_select
from sqlalchemy.exc import InvalidRequestError

import ropewalk
from ropewalk import (
    DeclarativeBase,
    Mapped,
    Session,
    create_session,
    inspect,
    make_transient,
    mapped_column,
    mapper,
    object_session,
    select,
    sessionmaker,
)
from ropewalk.exc import DetachedInstanceError


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))


class Data(Base):
    __tablename__ = "data"

    id: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int]


@pytest.fixture
def database(sqlite_engine):
    """Two tables, with the users 7 'jack' and 8 'ed'."""
    Base.metadata.create_all(sqlite_engine)
    with sqlite_engine.begin() as connection:
        connection.execute(User.__table__.insert(), [{"id": 7, "name": "jack"}, {"id": 8, "name": "ed"}])
    return sqlite_engine


def stored(engine, name):
    """How many users of that name another connection sees."""
    with engine.connect() as connection:
        users = User.__table__
        return connection.scalar(core_select(func.count()).select_from(users).where(users.c.name == name))


# What the session does


def test_session_keeps_one_object_for_a_primary_key(database):
    with Session(database) as sess:
        one = sess.query(User).filter_by(name="jack").one()
        other = sess.query(User).filter(User.id == 7).one()
        assert one is other


def test_session_tracks_changes_and_flushes_them(database):
    with Session(database) as sess:
        sess.get(User, 7).name = "jill"
        sess.flush()
        name = sess.connection().scalar(core_select(User.__table__.c.name).where(User.__table__.c.id == 7))
        assert name == "jill"


# Getting a session: sessionmaker()


def test_session_can_be_instantiated_directly(database):
    sess = Session(bind=database)
    assert sess.get(User, 7).name == "jack"
    sess.close()


def test_sessionmaker_returns_a_subclass_of_session():
    made = sessionmaker(autoflush=True, transactional=True)
    assert isinstance(made, type)
    assert issubclass(made, Session)
    assert made is not Session


def test_what_sessionmaker_returns_is_also_an_instance_of_sessionmaker():
    assert isinstance(sessionmaker(), sessionmaker)


def test_a_made_class_creates_instances_of_itself_and_of_session(database):
    made = sessionmaker(bind=database)
    sess = made()
    assert type(sess) is made
    assert isinstance(sess, Session)


def test_each_sessionmaker_call_makes_a_class_of_its_own():
    assert sessionmaker() is not sessionmaker()


def test_made_class_is_a_subclass_of_the_class_it_is_given(database):
    class Audited(Session):
        def who(self):
            return "audited"

    made = sessionmaker(bind=database, class_=Audited)
    assert issubclass(made, Audited)
    assert made().who() == "audited"


def test_made_class_can_itself_be_subclassed(database):
    class Mine(sessionmaker(bind=database)):
        def jack(self):
            return self.get(User, 7)

    with Mine() as sess:
        assert sess.jack().name == "jack"


def test_made_class_has_its_options_loaded(database):
    sess = sessionmaker(bind=database, autoflush=False)()
    assert sess.autoflush is False
    assert sess.bind is database


def test_arguments_of_the_instance_win_over_those_of_the_class(database):
    made = sessionmaker(bind=database, autoflush=False)
    assert made(autoflush=True).autoflush is True
    assert made().autoflush is False


def test_the_conversation_of_the_first_example(database):
    made = sessionmaker(bind=database, autoflush=True, transactional=True)
    sess = made()
    sess.save(User(name="wendy"))
    sess.commit()
    sess.close()
    assert stored(database, "wendy") == 1


def test_close_empties_the_session_and_gives_the_connection_back(database):
    sess = sessionmaker(bind=database)()
    jack = sess.get(User, 7)
    assert database.pool.checkedout() == 1
    sess.close()
    assert database.pool.checkedout() == 0
    assert jack not in sess


def test_close_drops_what_was_flushed_and_not_committed(database):
    sess = sessionmaker(bind=database)()
    sess.save(User(name="wendy"))
    sess.flush()
    sess.close()
    assert stored(database, "wendy") == 0


# Binding


def test_sessionmaker_binds_to_an_engine(database):
    made = sessionmaker(bind=database, autoflush=True, transactional=True)
    with made() as sess:
        assert sess.get_bind() is database


def test_configure_binds_the_class_later(database):
    made = sessionmaker(autoflush=True, transactional=True)
    made.configure(bind=database)
    with made() as sess:
        assert sess.get(User, 7).name == "jack"


def test_configure_takes_any_option(database):
    made = sessionmaker(bind=database)
    made.configure(autoflush=False, expire_on_commit=False)
    sess = made()
    assert sess.autoflush is False
    assert sess.expire_on_commit is False


def test_configure_leaves_other_options_as_they_are(database):
    made = sessionmaker(autoflush=False)
    made.configure(bind=database)
    assert made().autoflush is False


def test_configure_of_one_class_does_not_touch_another(database):
    one, other = sessionmaker(), sessionmaker()
    one.configure(bind=database)
    assert one().bind is database
    assert other().bind is None


def test_session_can_be_bound_to_several_engines(database, tmp_path):
    second = create_engine(f"sqlite:///{tmp_path / 'second.db'}")
    Data.__table__.create(second)
    with sessionmaker(binds={User: database, Data: second})() as sess:
        sess.save(User(name="wendy"))
        sess.save(Data(value=10))
        sess.commit()
    assert stored(database, "wendy") == 1
    with second.connect() as connection:
        assert connection.scalars(core_select(Data.__table__.c.value)).all() == [10]
    second.dispose()


def test_session_takes_part_in_the_transaction_of_its_connection(database):
    made = sessionmaker(autoflush=True, transactional=True)
    with database.connect() as connection:
        transaction = connection.begin()
        sess = made(bind=connection)
        sess.save(User(name="wendy"))
        sess.flush()
        users = User.__table__
        assert connection.scalar(core_select(users.c.id).where(users.c.name == "wendy"))
        sess.close()
        transaction.rollback()
    assert stored(database, "wendy") == 0


def test_commit_of_the_session_leaves_the_outer_transaction_to_its_owner(database):
    with database.connect() as connection:
        transaction = connection.begin()
        sess = sessionmaker()(bind=connection)
        sess.save(User(name="wendy"))
        sess.commit()
        sess.close()
        assert transaction.is_active
        transaction.rollback()
    assert stored(database, "wendy") == 0


def test_work_of_the_session_is_committed_with_the_outer_transaction(database):
    with database.connect() as connection:
        with connection.begin():
            sess = sessionmaker()(bind=connection)
            sess.save(User(name="wendy"))
            sess.commit()
            sess.close()
    assert stored(database, "wendy") == 1


def test_session_sees_what_its_connection_has_not_committed(database):
    with database.connect() as connection:
        connection.execute(User.__table__.insert(), {"id": 20, "name": "uncommitted"})
        with Session(bind=connection) as sess:
            assert sess.get(User, 20).name == "uncommitted"


def test_close_leaves_the_connection_it_was_given_open(database):
    with database.connect() as connection:
        sess = Session(bind=connection)
        sess.get(User, 7)
        sess.close()
        assert not connection.closed
        assert connection.scalar(core_select(func.count()).select_from(User.__table__)) == 2


# create_session()


def test_create_session_returns_a_session(database):
    assert isinstance(create_session(bind=database), Session)


def test_create_session_does_not_autoflush_by_default(database):
    sess = create_session(bind=database)
    sess.save(User(name="wendy"))
    assert sess.query(User).filter_by(name="wendy").count() == 0
    assert len(sess.new) == 1


def test_create_session_is_not_transactional_by_default(database):
    sess = create_session(bind=database)
    sess.save(User(name="wendy"))
    sess.flush()
    assert stored(database, "wendy") == 1
    sess.close()


def test_create_session_passes_its_arguments_through(database):
    sess = create_session(bind=database, autoflush=True)
    assert sess.autoflush is True
    assert sess.bind is database


def test_create_session_can_be_made_transactional(database):
    sess = create_session(bind=database, transactional=True)
    sess.save(User(name="wendy"))
    sess.flush()
    sess.rollback()
    assert stored(database, "wendy") == 0
    sess.close()


def test_create_session_can_be_replaced_by_a_sessionmaker(database):
    create_session = sessionmaker()
    sess = create_session(bind=database)
    sess.save(User(name="wendy"))
    assert sess.query(User).filter_by(name="wendy").one().name == "wendy"
    sess.commit()
    sess.close()
    assert stored(database, "wendy") == 1


# Using the session


def test_a_typical_conversation(database):
    made = sessionmaker(bind=database, autoflush=True, transactional=True)
    with database.begin() as connection:
        connection.execute(Data.__table__.insert(), {"id": 1, "value": 15})

    sess = made()
    d = Data(value=10)
    sess.save(d)
    d2 = sess.query(Data).filter(Data.value == 15).one()
    d2.value = 19
    sess.commit()
    sess.close()

    with database.connect() as connection:
        values = connection.scalars(core_select(Data.__table__.c.value)).all()
    assert sorted(values) == [10, 19]


def test_commit_persists_what_remains_and_commits(database):
    sess = sessionmaker(bind=database)()
    sess.save(User(name="wendy"))
    sess.get(User, 7).name = "jill"
    sess.delete(sess.get(User, 8))
    sess.commit()
    assert [stored(database, name) for name in ("wendy", "jill", "jack", "ed")] == [1, 1, 0, 0]
    sess.close()


def test_nothing_is_committed_without_commit(database):
    sess = sessionmaker(bind=database)()
    sess.save(User(name="wendy"))
    sess.flush()
    sess.rollback()
    assert stored(database, "wendy") == 0
    sess.close()


def test_flush_of_a_session_that_is_not_transactional_persists_what_remains(database):
    sess = Session(bind=database, autoflush=False, transactional=False)
    sess.save(User(name="wendy"))
    jack = sess.get(User, 7)
    jack.name = "jill"
    sess.delete(sess.get(User, 8))
    sess.flush()
    assert [stored(database, name) for name in ("wendy", "jill", "jack", "ed")] == [1, 1, 0, 0]
    sess.close()


def test_autoflush_of_a_transactional_session_shows_pending_objects_to_a_query(database):
    sess = sessionmaker(bind=database, autoflush=True, transactional=True)()
    wendy = User(name="wendy")
    sess.save(wendy)
    assert sess.query(User).filter_by(name="wendy").one() is wendy
    sess.close()


def test_classes_mapped_with_mapper_work_like_others(sqlite_engine):
    metadata = MetaData()
    keywords = Table("keywords", metadata, Column("id", Integer, primary_key=True), Column("word", String(20)))

    class Keyword:
        pass

    mapper(Keyword, keywords)
    metadata.create_all(sqlite_engine)
    sess = create_session(bind=sqlite_engine)
    keyword = Keyword()
    keyword.word = "rope"
    sess.save(keyword)
    sess.flush()
    sess.clear()
    assert sess.query(Keyword).filter_by(word="rope").one().id == keyword.id
    sess.close()


# Object states


def test_a_new_object_is_transient(database):
    wendy = User(name="wendy")
    assert inspect(wendy).transient
    assert not hasattr(wendy, "_instance_key")
    assert object_session(wendy) is None


def test_save_makes_a_transient_object_pending(database):
    sess = sessionmaker(bind=database)()
    wendy = User(name="wendy")
    sess.save(wendy)
    assert inspect(wendy).pending
    assert wendy in sess.new
    assert stored(database, "wendy") == 0


def test_flush_makes_a_pending_object_persistent(database):
    sess = sessionmaker(bind=database)()
    wendy = User(name="wendy")
    sess.save(wendy)
    sess.flush()
    assert inspect(wendy).persistent
    assert wendy in sess
    assert wendy not in sess.new
    sess.close()


def test_a_queried_object_is_persistent(database):
    with sessionmaker(bind=database)() as sess:
        jack = sess.query(User).filter_by(name="jack").one()
        assert inspect(jack).persistent


def test_a_persistent_object_can_move_to_another_session(database):
    made = sessionmaker(bind=database)
    first, second = made(), made()
    jack = first.get(User, 7)
    first.expunge(jack)
    second.update(jack)
    assert inspect(jack).persistent
    assert jack in second
    assert jack not in first
    first.close()
    second.close()


def test_an_object_whose_session_is_closed_is_detached(database):
    sess = sessionmaker(bind=database)()
    jack = sess.get(User, 7)
    sess.close()
    assert inspect(jack).detached
    assert object_session(jack) is None
    assert jack._instance_key == (User, (7,))


def test_a_detached_object_can_be_used_normally(database):
    sess = sessionmaker(bind=database)()
    jack = sess.get(User, 7)
    sess.close()
    assert jack.name == "jack"
    jack.name = "jill"
    assert jack.name == "jill"


def test_a_detached_object_does_not_load_an_expired_attribute(database):
    sess = sessionmaker(bind=database)()
    jack = sess.get(User, 7)
    sess.expire(jack, ["name"])
    sess.expunge(jack)
    with pytest.raises(DetachedInstanceError):
        jack.name  # noqa: B018
    sess.close()


def test_changes_of_a_detached_object_are_saved_once_it_is_back_in_a_session(database):
    sess = sessionmaker(bind=database)()
    jack = sess.get(User, 7)
    sess.close()
    jack.name = "jill"
    sess.update(jack)
    sess.commit()
    sess.close()
    assert stored(database, "jill") == 1


def test_one_object_cannot_be_saved_in_two_sessions(database):
    made = sessionmaker(bind=database)
    first, second = made(), made()
    wendy = User(name="wendy")
    first.save(wendy)
    with pytest.raises(InvalidRequestError, match="User"):
        second.save(wendy)
    assert wendy in first
    assert wendy not in second


def test_a_persistent_object_cannot_be_in_two_sessions(database):
    made = sessionmaker(bind=database)
    first, second = made(), made()
    jack = first.get(User, 7)
    with pytest.raises(InvalidRequestError, match="User"):
        second.update(jack)
    first.close()
    second.close()


# Frequently asked: when


def test_a_new_session_uses_no_resources_until_its_first_use(database):
    with count_statements(database) as sent:
        sess = sessionmaker(bind=database)()
        sess.save(User(name="wendy"))
    assert sent.count == 0
    assert database.pool.checkedout() == 0
    sess.get(User, 7)
    assert database.pool.checkedout() == 1
    sess.close()


# Frequently asked: is it a cache


def test_filter_by_issues_sql_though_the_object_is_there(database):
    with sessionmaker(bind=database)() as sess:
        jack = sess.get(User, 7)
        with count_statements(database) as sent:
            again = sess.query(User).filter_by(name="jack").one()
        assert sent.count == 1
        assert again is jack


def test_query_get_of_an_object_that_is_there_issues_no_sql(database):
    with sessionmaker(bind=database)() as sess:
        jack = sess.query(User).filter_by(name="jack").one()
        with count_statements(database) as sent:
            assert sess.query(User).get(7) is jack
        assert sent.count == 0


def test_session_get_of_an_object_that_is_there_issues_no_sql(database):
    with sessionmaker(bind=database)() as sess:
        jack = sess.query(User).filter_by(name="jack").one()
        with count_statements(database) as sent:
            assert sess.get(User, 7) is jack
        assert sent.count == 0


def test_a_query_does_not_replace_the_values_of_an_object_that_is_there(database):
    with sessionmaker(bind=database, autoflush=False)() as sess:
        jack = sess.get(User, 7)
        jack.name = "changed here"
        assert sess.query(User).filter_by(name="jack").one() is jack
        assert jack.name == "changed here"


def test_identity_map_is_weak_by_default(database):
    with sessionmaker(bind=database)() as sess:
        jack = sess.get(User, 7)
        assert len(sess.identity_map) == 1
        del jack
        gc.collect()
        assert len(sess.identity_map) == 0


def test_weak_identity_map_false_keeps_objects(database):
    with sessionmaker(bind=database, weak_identity_map=False)() as sess:
        sess.get(User, 7)
        gc.collect()
        assert len(sess.identity_map) == 1
        with count_statements(database) as sent:
            assert sess.get(User, 7).name == "jack"
        assert sent.count == 0


def test_create_session_takes_weak_identity_map_false(database):
    sess = create_session(bind=database, weak_identity_map=False)
    sess.get(User, 7)
    gc.collect()
    assert [user.name for user in sess] == ["jack"]
    sess.close()


def test_a_strong_identity_map_lets_go_of_what_is_expunged(database):
    with sessionmaker(bind=database, weak_identity_map=False)() as sess:
        sess.expunge(sess.get(User, 7))
        assert len(sess.identity_map) == 0


# Frequently asked: whose object


def test_object_session_is_a_classmethod_of_session(database):
    with sessionmaker(bind=database)() as sess:
        assert Session.object_session(sess.get(User, 7)) is sess


def test_object_session_of_the_made_class_finds_the_session_too(database):
    made = sessionmaker(bind=database)
    with made() as sess:
        assert made.object_session(sess.get(User, 7)) is sess


def test_object_session_of_a_transient_object_is_none():
    assert Session.object_session(User(name="wendy")) is None


# Frequently asked: threads


def test_a_session_that_is_not_transactional_returns_connections_after_each_read(database):
    sess = create_session(bind=database)
    assert sess.query(User).count() == 2
    assert database.pool.checkedout() == 0
    assert sess.get(User, 7).name == "jack"
    assert database.pool.checkedout() == 0
    assert len(sess.query(User).all()) == 2
    assert database.pool.checkedout() == 0


def test_a_session_that_is_not_transactional_returns_its_connection_after_a_flush(database):
    sess = create_session(bind=database)
    sess.save(User(name="wendy"))
    sess.flush()
    assert database.pool.checkedout() == 0


def test_two_sessions_hold_copies_of_their_own(database):
    made = sessionmaker(bind=database)
    with made() as first, made() as second:
        assert first.get(User, 7) is not second.get(User, 7)


# Session attributes


def test_instance_key_is_the_class_and_the_key_tuple(database):
    with Session(database) as sess:
        assert sess.get(User, 7)._instance_key == (User, (7,))


def test_every_persistent_object_has_an_instance_key(database):
    with Session(database) as sess:
        wendy = User(id=12, name="wendy")
        sess.save(wendy)
        assert not hasattr(wendy, "_instance_key")
        sess.flush()
        assert wendy._instance_key == (User, (12,))


def test_instance_key_is_in_the_identity_map(database):
    with Session(database) as sess:
        jack = sess.get(User, 7)
        assert jack._instance_key in sess.identity_map
        assert (User, (8,)) not in sess.identity_map


def test_identity_map_gives_the_object_for_its_key(database):
    with Session(database) as sess:
        jack = sess.get(User, 7)
        assert sess.identity_map[User, (7,)] is jack
        assert sess.identity_map.get((User, (7,))) is jack


def test_identity_map_behaves_like_a_dictionary_about_a_missing_key(database):
    with Session(database) as sess:
        sess.get(User, 7)
        assert sess.identity_map.get((User, (99,))) is None
        assert sess.identity_map.get((User, (99,)), "none") == "none"
        with pytest.raises(KeyError):
            sess.identity_map[User, (99,)]


def test_identity_map_values_are_the_objects(database):
    with Session(database) as sess:
        jack, ed = sess.get(User, 7), sess.get(User, 8)
        values = list(sess.identity_map.values())
        assert len(values) == 2
        assert {id(value) for value in values} == {id(jack), id(ed)}


def test_identity_map_keys_items_length_and_iteration_agree(database):
    with Session(database) as sess:
        jack, ed = sess.get(User, 7), sess.get(User, 8)
        identity_map = sess.identity_map
        assert set(identity_map.keys()) == {(User, (7,)), (User, (8,))}
        assert dict(identity_map.items()) == {(User, (7,)): jack, (User, (8,)): ed}
        assert set(identity_map) == set(identity_map.keys())
        assert len(identity_map) == 2


def test_dereferenced_objects_leave_the_session_by_themselves(database):
    with Session(database) as sess:
        users = sess.query(User).all()
        kept = users[0]
        del users
        gc.collect()
        assert list(sess) == [kept]


def test_a_dirty_object_does_not_fall_out_of_scope_before_its_flush(database):
    with Session(database) as sess:
        sess.get(User, 7).name = "jill"
        gc.collect()
        assert [user.name for user in sess.dirty] == ["jill"]
        sess.commit()
    assert stored(database, "jill") == 1


def test_a_dirty_object_falls_out_of_scope_after_its_flush(database):
    with Session(database) as sess:
        sess.get(User, 7).name = "jill"
        sess.flush()
        gc.collect()
        assert len(sess.identity_map) == 0


def test_save_or_update_adds_a_transient_object(database):
    with Session(database) as sess:
        wendy = User(name="wendy")
        sess.save_or_update(wendy)
        assert wendy in sess.new


def test_save_or_update_adds_a_detached_object(database):
    with Session(database) as sess:
        jack = sess.get(User, 7)
        sess.expunge(jack)
        sess.save_or_update(jack)
        assert jack._instance_key in sess.identity_map


def test_save_or_update_of_a_persistent_object_changes_nothing(database):
    with Session(database) as sess:
        jack = sess.get(User, 7)
        sess.save_or_update(jack)
        assert inspect(jack).persistent
        assert len(sess.identity_map) == 1


def test_expunge_removes_from_the_identity_map(database):
    with Session(database) as sess:
        jack = sess.get(User, 7)
        sess.expunge(jack)
        assert jack._instance_key not in sess.identity_map
        assert inspect(jack).detached


def test_iteration_over_a_session_gives_the_objects_of_its_identity_map(database):
    with Session(database) as sess:
        jack, ed = sess.get(User, 7), sess.get(User, 8)
        assert {user.name for user in sess} == {"jack", "ed"}
        assert jack in list(sess)
        assert ed in list(sess)


# The names of that time and of today


def test_the_names_of_the_chapter_are_importable_from_the_package():
    for name in ("Session", "sessionmaker", "create_session", "mapper", "object_session"):
        assert hasattr(ropewalk, name)


def test_clear_and_expunge_all_do_the_same(database):
    with Session(database) as sess:
        for empty in (sess.clear, sess.expunge_all):
            jack = sess.get(User, 7)
            pending = User(name="wendy")
            sess.save(pending)
            empty()
            assert inspect(jack).detached
            assert inspect(pending).transient
            assert list(sess) == []


def test_select_is_the_modern_spelling_of_query(database):
    with Session(database) as sess:
        by_query = sess.query(User).filter_by(name="jack").one()
        assert sess.scalars(select(User).filter_by(name="jack")).one() is by_query


def test_make_transient_cuts_every_tie(database):
    with Session(database) as sess:
        jack = sess.get(User, 7)
        make_transient(jack)
        assert inspect(jack).transient
        assert not hasattr(jack, "_instance_key")
        assert jack not in sess

"""``sessionmaker`` makes a class of sessions that is also a factory."""

import pytest
from sqlalchemy import create_engine

from ropewalk.session.factory import create_session, sessionmaker
from ropewalk.session.session import Session, close_all_sessions


@pytest.fixture
def engine_():
    engine = create_engine("sqlite://")
    yield engine
    engine.dispose()


def test_what_it_returns_is_a_subclass_of_session_and_a_sessionmaker():
    factory = sessionmaker()
    assert issubclass(factory, Session)
    assert isinstance(factory, sessionmaker)
    assert isinstance(factory(), Session)
    assert isinstance(factory(), factory)


def test_two_factories_share_nothing(engine_):
    one, two = sessionmaker(engine_), sessionmaker(autoflush=False)
    assert one().bind is engine_
    assert two().bind is None
    assert (one().autoflush, two().autoflush) == (True, False)
    assert not isinstance(one(), two)


def test_arguments_of_the_call_go_before_those_of_the_factory(engine_):
    factory = sessionmaker(autoflush=False, expire_on_commit=False)
    session = factory(autoflush=True, bind=engine_)
    assert (session.autoflush, session.expire_on_commit, session.bind) == (True, False, engine_)
    assert factory().autoflush is False


def test_configure_counts_for_sessions_made_later(engine_):
    factory = sessionmaker()
    before = factory()
    factory.configure(bind=engine_, autoflush=False)
    after = factory()
    assert (before.bind, before.autoflush) == (None, True)
    assert (after.bind, after.autoflush) == (engine_, False)


def test_info_of_factory_and_call_are_joined():
    factory = sessionmaker(info={"a": 1, "b": 2})
    assert factory(info={"b": 3}).info == {"a": 1, "b": 3}
    factory().info["c"] = 4
    assert factory().info == {"a": 1, "b": 2}


def test_class_makes_sessions_of_a_subclass():
    class Mine(Session):
        greeting = "hello"

    factory = sessionmaker(class_=Mine)
    assert isinstance(factory(), Mine)
    assert factory().greeting == "hello"
    assert factory.class_ is Mine


def test_a_class_may_derive_from_a_factory(engine_):
    class Mine(sessionmaker(engine_, autoflush=False)):
        def shout(self):
            return "hello!"

    session = Mine()
    assert session.shout() == "hello!"
    assert (session.bind, session.autoflush) == (engine_, False)


def test_a_factory_shows_its_arguments(engine_):
    assert repr(sessionmaker(autoflush=False)) == "sessionmaker(class_='Session', autoflush=False)"


def test_begin_on_the_factory_makes_a_session_in_a_transaction(engine_):
    factory = sessionmaker(engine_)
    with factory.begin() as session:
        assert isinstance(session, factory)
        assert session.in_transaction()
        transaction = session.get_transaction()
    assert transaction.closed
    assert not session.in_transaction()


def test_begin_on_a_session_of_a_factory_is_the_sessions(engine_):
    session = sessionmaker(engine_)()
    transaction = session.begin()
    assert transaction.session is session
    session.close()


def test_an_unknown_argument_is_refused_when_a_session_is_made():
    factory = sessionmaker(nonsense=1)
    with pytest.raises(TypeError, match="nonsense"):
        factory()


def test_create_session_is_of_the_old_manner_and_can_be_told_otherwise(engine_):
    session = create_session(engine_)
    assert (session.autoflush, session.transactional, session.bind) == (False, False, engine_)
    assert create_session(autoflush=True).autoflush


def test_a_factory_may_take_the_place_of_create_session(engine_):
    create_session = sessionmaker(autoflush=False, transactional=False)
    create_session.configure(bind=engine_)
    assert not create_session().in_transaction()


def test_sessions_have_keys_of_their_own_and_are_forgotten_with_them():
    from ropewalk.session import session as module

    one, two = Session(), Session()
    assert one.hash_key != two.hash_key
    key = one.hash_key
    assert module._sessions[key]() is one
    del one
    assert key not in module._sessions


def test_close_all_sessions_reaches_each(engine_):
    sessions = [Session(engine_), sessionmaker(engine_)()]
    for session in sessions:
        session.connection()
    close_all_sessions()
    assert not any(session.in_transaction() for session in sessions)


def test_a_session_whose_constructor_failed_can_be_dropped():
    with pytest.raises(TypeError):
        Session(nonsense=1)

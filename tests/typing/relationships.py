"""Relationships, as a type checker sees them."""

from __future__ import annotations

from typing import Any, assert_type, reveal_type

from sqlalchemy import Delete, ForeignKey, Insert, Select, Update

from ropewalk import (
    AppenderQuery,
    AssociationProxy,
    DeclarativeBase,
    DynamicMapped,
    InstrumentedAttribute,
    KeyFuncDict,
    Mapped,
    Query,
    Session,
    WriteOnlyCollection,
    WriteOnlyMapped,
    association_proxy,
    attribute_keyed_dict,
    joinedload,
    mapped_column,
    relationship,
    select,
    selectinload,
)


class Base(DeclarativeBase): ...


class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    posts: Mapped[list[Post]] = relationship(back_populates="author", order_by="Post.id", cascade="all, delete-orphan")
    tags: Mapped[set[Tag]] = relationship()
    notes: Mapped[dict[str, Note]] = relationship(collection_class=attribute_keyed_dict("key"))
    keyed: Mapped[KeyFuncDict[str, Note]] = relationship(viewonly=True)
    profile: Mapped[Profile | None] = relationship(back_populates="user")
    logins: WriteOnlyMapped[Login] = relationship(passive_deletes=True)
    visits: DynamicMapped[Visit] = relationship()
    tag_names: AssociationProxy[set[str]] = association_proxy("tags", "name")


class Post(Base):
    __tablename__ = "post"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    author: Mapped[User] = relationship(back_populates="posts")


class Tag(Base):
    __tablename__ = "tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Note(Base):
    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str]


class Profile(Base):
    __tablename__ = "profile"
    id: Mapped[int] = mapped_column(primary_key=True)
    user: Mapped[User] = relationship(back_populates="profile")


class Login(Base):
    __tablename__ = "login"
    id: Mapped[int] = mapped_column(primary_key=True)


class Visit(Base):
    __tablename__ = "visit"
    id: Mapped[int] = mapped_column(primary_key=True)


def on_objects(user: User, post: Post) -> None:
    assert_type(user.posts, list[Post])
    assert_type(user.posts[0].author, User)
    assert_type(user.tags, set[Tag])
    assert_type(user.notes["x"], Note)
    assert_type(user.keyed, KeyFuncDict[str, Note])
    assert_type(user.profile, Profile | None)
    user.posts.append(post)
    user.posts = [post]
    post.author = None  # error: assignment
    user.posts.append(user)  # error: arg-type
    print(user.profile.user)  # error: union-attr
    user.profile = None


def on_the_class() -> None:
    assert_type(User.posts, InstrumentedAttribute[list[Post]])
    assert_type(Post.author, InstrumentedAttribute[User])
    assert_type(select(User).join(User.posts).where(User.posts.any(Post.id > 3)), Select[User])
    select(User).options(selectinload(User.posts), joinedload(User.profile))
    reveal_type(User.profile)  # revealed: InstrumentedAttribute[Profile | None]


def write_only(user: User, session: Session) -> None:
    assert_type(user.logins, WriteOnlyCollection[Login])
    user.logins.add(Login())
    user.logins.add_all([Login()])
    user.logins = [Login()]
    assert_type(session.scalars(user.logins.select().limit(3)).first(), Login | None)
    assert_type(user.logins.insert(), Insert)
    assert_type(user.logins.update(), Update)
    assert_type(user.logins.delete(), Delete)
    user.logins.add(user)  # error: arg-type
    user.logins = [user]  # error: list-item
    user.logins.append(Login())  # error: attr-defined


def dynamic(user: User) -> None:
    assert_type(user.visits, AppenderQuery[Visit])
    user.visits.append(Visit())
    user.visits.extend([Visit()])
    assert_type(user.visits.filter(Visit.id > 3).all(), list[Visit])
    assert_type(user.visits[0], Visit)
    assert_type(user.visits[0:3], list[Visit])
    assert_type(list(user.visits), list[Visit])
    assert_type(user.visits.count(), int)
    query: Query[Visit] = user.visits
    print(query)
    user.visits.append(user)  # error: arg-type


def proxies(user: User) -> None:
    assert_type(user.tag_names, set[str])
    user.tag_names.add("x")
    user.tag_names.add(5)  # error: arg-type


def untyped(user: User) -> Any:
    return user.nothing  # error: attr-defined

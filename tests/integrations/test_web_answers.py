"""What becomes of a request's work by its answer: errors commit nothing, whoever answers them; all else is kept."""

from typing import Annotated, Any

import pytest
from integrations_app import Shop
from shop import Customer
from sqlalchemy.exc import ArgumentError, IntegrityError

from ropewalk.integrations import asgi, celery, fastapi, flask, script, starlette, wsgi


@pytest.fixture
def shop(tmp_path):
    made = Shop(tmp_path)
    yield made
    made.check_nothing_is_open()
    made.engine.dispose()


class TestWsgi:
    def call(self, shop, body, status="200 OK"):
        """Call an application as a server does that does not fetch the body; return what it was given."""

        def application(environ, start_response):
            shop.jenny.session.add(Customer(id=1, name="ed"))
            start_response(status, [])
            return body

        return wsgi.RopeMiddleware(application, shop.jenny, commit=True)(
            {}, lambda status, headers, exc_info=None: None
        )

    @pytest.mark.parametrize("body", [[b"done"], (b"done",)], ids=["list", "tuple"])
    def test_with_a_list_the_scope_ends(self, shop, body):
        assert self.call(shop, body) is body
        assert shop.stored() == [1]
        shop.check_nothing_is_open()

    def test_so_its_commit_can_fail_before_the_response_is_sent(self, shop):
        self.call(shop, [])
        with pytest.raises(IntegrityError):
            self.call(shop, [])

    @pytest.mark.parametrize("kind", [list, iter])
    @pytest.mark.parametrize("status", ["404 NOT FOUND", "500 INTERNAL SERVER ERROR"])
    def test_an_error_commits_nothing(self, shop, status, kind):
        answer = self.call(shop, kind([b"no"]), status)
        assert list(answer) == [b"no"]
        assert shop.stored() == []


class TestFlask:
    @pytest.fixture
    def app(self, shop):
        module = pytest.importorskip("flask")
        app = module.Flask(__name__)
        flask.init_app(app, shop.jenny, commit=True)

        class Handled(Exception):
            pass

        @app.errorhandler(Handled)
        def handled(error):
            return "never mind"

        @app.get("/<int:key>/<how>")
        def save(key, how):
            shop.jenny.session.add(Customer(id=key, name="ed"))
            match how:
                case "abort":
                    module.abort(400)
                case "status":
                    return "not so", 409
                case "handled":
                    raise Handled
                case "raise":
                    raise LookupError
                case "stream":
                    return iter(["sa", "ved"])
            return "saved"

        return app

    @pytest.mark.parametrize(
        ("how", "status"), [("abort", 400), ("status", 409), ("handled", 200), ("raise", 500)], ids=lambda one: str(one)
    )
    def test_what_is_answered_by_an_error_commits_nothing(self, shop, app, how, status):
        client = app.test_client()
        assert client.get(f"/1/{how}").status_code == status
        shop.check_nothing_is_open()
        assert shop.stored() == []

    def test_an_exception_of_another_extension_commits_nothing(self, shop, app):
        @app.after_request
        def fail(response):
            raise LookupError

        assert app.test_client().get("/1/well").status_code == 500
        assert shop.stored() == []

    def test_what_another_extension_does_after_the_request_is_inside(self, shop, app):
        @app.after_request
        def note(response):
            shop.save(2)
            return response

        assert app.test_client().get("/1/well").status_code == 200
        assert shop.stored() == [1, 2]

    def test_a_response_that_nobody_reads_is_committed(self, shop, app):
        client = app.test_client()
        response = client.get("/1/well")
        assert response.status_code == 200
        assert shop.stored() == [1]
        shop.check_nothing_is_open()

    def test_a_streamed_one_at_its_end(self, shop, app):
        with app.test_client().get("/1/stream") as response:
            assert shop.stored() == []
            assert response.text == "saved"
        assert shop.stored() == [1]

    def test_a_commit_that_fails_is_answered_as_an_error(self, shop, app):
        client = app.test_client()
        client.get("/1/well")
        assert client.get("/1/well").status_code == 500
        assert client.get("/2/well").status_code == 200
        assert shop.stored() == [1, 2]

    def test_a_client_that_keeps_the_context(self, shop, app):
        with app.test_client() as client:
            client.get("/1/well")
            assert shop.stored() == [1]


def test_starlette_answers_an_exception(shop):
    module = pytest.importorskip("starlette.applications")
    from starlette.exceptions import HTTPException
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route
    from starlette.testclient import TestClient

    async def save(request):
        key = int(request.path_params["key"])
        shop.save(key)
        if key == 1:
            raise HTTPException(400)
        return PlainTextResponse("saved")

    app = module.Starlette(routes=[Route("/{key}", save)])
    starlette.init_app(app, shop.jenny, commit=True)
    with TestClient(app) as client:
        assert [client.get(f"/{key}").status_code for key in (1, 2)] == [400, 200]
    assert shop.stored() == [2]


@pytest.mark.parametrize("scope", [None, "function"])
def test_fastapi_answers_an_exception(shop, scope):
    module = pytest.importorskip("fastapi")
    from fastapi.testclient import TestClient

    depends = module.Depends(fastapi.session_dependency(shop.jenny, commit=True), **({"scope": scope} if scope else {}))
    app = module.FastAPI()

    @app.get("/{key}/{how}")
    def save(key: int, how: str, session: Annotated[Any, depends]):
        session.add(Customer(id=key, name="ed"))
        if how == "fail":
            raise module.HTTPException(400)
        return key

    with TestClient(app, raise_server_exceptions=False) as client:
        assert client.get("/1/fail").status_code == 400
        assert client.get("/2/well").status_code == 200
        if scope:  # which ends before the response is sent
            assert client.get("/2/well").status_code == 500
    assert shop.stored() == [2]


@pytest.mark.parametrize(
    "use",
    [
        lambda wrong: wsgi.RopeMiddleware(None, wrong),
        lambda wrong: asgi.RopeMiddleware(None, wrong),
        lambda wrong: flask.init_app(None, wrong),
        lambda wrong: starlette.init_app(None, wrong),
        fastapi.session_dependency,
        celery.roped_task,
        script.tie_to_process,
    ],
    ids=["wsgi", "asgi", "flask", "starlette", "fastapi", "celery", "script"],
)
def test_what_is_no_jenny_is_refused_at_once(shop, use):
    with pytest.raises(ArgumentError, match=r"\(.*jenny\) needs a SessionJenny"):
        use(shop.engine)

"""Connection: one named remote system, with one login for all callers.

Its state (state.py) is the last known one; `probe` and every call update it. In the state
`forbidden` the same password is not tried again, because remotes lock accounts. After a logout
there is no automatic login.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, TypeVar, cast

import msgspec

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.connections.connector import (
    Connector,
    Expired,
    Fields,
    Login,
    WrongCredentials,
    form_of,
    secret_in,
    secrets_of,
    to_fields,
)
from jupyter_bridge.connections.login_backoff import LoginBackoff
from jupyter_bridge.connections.roles import Role, words_of
from jupyter_bridge.connections.state import ConnectionState, Session, state_of
from jupyter_bridge.models.connections import ConnectionModel
from jupyter_bridge.observe import metrics, redaction
from jupyter_bridge.problems import (
    BadRequest,
    Busy,
    Conflict,
    Denied,
    NeedsLogin,
    Problem,
    RemoteFailed,
    Timeout,
    Unavailable,
    Unsupported,
)

# How long a logout or a close may take.
LOGOUT_SECONDS = 5.0
# A probe only checks whether the remote answers.
PROBE_SECONDS = 5.0
# A refresh that failed while the session is still valid is tried again after this.
RETRY_SECONDS = 30.0
# The largest fields of one connection that a request may set, bytes of JSON.
MAX_FIELDS = 64 << 10

R = TypeVar("R", bound=Role)
T = TypeVar("T")


class Connection:
    """One connection of a ConnectionRegistry. `on_change(connection, before)` reports a new state.

    `source` is where it was configured. `on_keep(connection)` is called when a login of a saved
    connection may have changed its fields.
    """

    def __init__(
        self,
        name: str,
        connector: Connector[Any],
        *,
        source: str = "run time",
        remembered: bool = False,
        on_change: Callable[[Connection, str], None] | None = None,
        on_keep: Callable[[Connection], Awaitable[None]] | None = None,
        refusals: LoginBackoff | None = None,
    ) -> None:
        self.name = name
        self.connector = connector
        self.source = source
        self.remembered = remembered
        self.current_state = ConnectionState(self._changed)
        self._on_change = on_change
        self._on_keep = on_keep
        self.session = Session()
        self._refusals = LoginBackoff() if refusals is None else refusals
        self._refused: tuple[str | None, str] | None = None  # the last refused user and secret
        self._blocked: Problem | None = None  # why a user has to log in
        self._logged_out = False
        self._closed = False

    def __repr__(self) -> str:
        return f"<Connection {self.name} ({self.kind}): {self.state}>"

    @property
    def kind(self) -> str:
        return self.connector.kind

    @property
    def state(self) -> str:
        return self.current_state.state

    @property
    def fields(self) -> Fields:
        return cast(Fields, self.connector.fields)

    @property
    def can(self) -> list[str]:
        """The roles that it can play; see roles.py."""
        words = words_of(type(self.connector))
        return [word for word in words if word not in self.connector.cannot]

    @property
    def has_secret(self) -> bool:
        return any(getattr(self.fields, name) for name in secrets_of(type(self.fields)))

    def model(self, mountpoint: str | None = None) -> ConnectionModel:
        """Return the connection as the routes show it; `mountpoint` None: not mounted."""
        connector, current = self.connector, self.current_state
        return ConnectionModel(
            name=self.name,
            kind=self.kind,
            url=self.fields.url,
            status="connected" if current.state == "connected" else "not connected",
            state=current.state,
            reason=current.reason or (connector.notice if current.state == "connected" else None),
            since=current.since,
            username=self.fields.username or "",
            password="******" if self.has_secret else "",
            has_secret=self.has_secret,
            needs=list(connector.needs),
            can=self.can,
            source=self.source,
            remembered=self.remembered,
            isMounted=mountpoint is not None,
            mountpoint=mountpoint or "",
            progress=connector.progress if current.state == "connecting" else None,
        )

    @property
    def is_wanted(self) -> bool:
        """Whether it may log in automatically: nothing is missing, refused or logged out."""
        return not (self._logged_out or self._blocked or self.connector.needs)

    # -- logging in and out --------------------------------------------------------------------

    async def login(self, given: Mapping[str, Any] | None = None) -> None:
        """Log in, with the fields `given` replacing the present ones; raise the Problem on failure.

        All callers that wait for a login of this connection share one login. Wrong credentials are
        discarded, and not sent again unless they are given again; after several in a row, logins
        must wait (Busy).
        """
        try:
            await self._login(given or {})
        finally:
            if not self._closed:  # a failed login does not change the fields
                hide_secrets(self.fields, self.connector.context)

    async def _login(self, given: Mapping[str, Any]) -> None:
        held = self.fields
        if given:
            check_size(given)
            fields = self.changed(given)
            await self.session.logins.settle()  # the login under way has the old fields
            self.connector.fields = fields
        if not self.session.is_opening:
            try:
                self._check_refusals(anew=secrets_of(type(held)) & set(given))
            except Problem:
                self.connector.fields = held
                raise
        self._logged_out = False
        try:
            await self._join(self.connector.login)
        except (Denied, Busy):
            self.connector.fields = held
            raise

    def _check_refusals(self, *, anew: Collection[str] = ()) -> None:
        """Raise if a login may not be tried now. `anew` are the secrets that were just given."""
        secret = secret_in(self.fields)
        if secret and not anew and self._refused == (self.fields.username, secret):
            raise WrongCredentials(self.name)
        try:
            self._refusals.check(self.connector.account, secret)
        except Busy as problem:
            if not self.session.alive:
                self.current_state.enter(self.state, problem)
            raise

    def changed(self, given: Mapping[str, Any]) -> Fields:
        """Return the fields updated with `given`, checked as if they came from a form."""
        form = form_of(type(self.fields))["properties"]
        for name in given:
            if name not in form:
                raise BadRequest(f"{name}: {self.kind} has no such field.", field=name)
            if name in secrets_of(type(self.fields)):
                redaction.hide(str(given[name] or ""), self.connector.context)
        merged = {**msgspec.structs.asdict(self.fields), **given}
        return to_fields(type(self.connector), merged)

    async def logout(self) -> None:
        """End the session; the connection stays, without automatic logins."""
        self._logged_out = True
        await self._stop_login()
        try:
            if self.session.alive:
                await within(LOGOUT_SECONDS, self.connector.logout())
        except (Problem, asyncio.TimeoutError, OSError) as error:
            # Forgotten here all the same, as requested.
            self.log.info("%s did not confirm the logout: %s", self.name, type(error).__name__)
        finally:
            self._lose("disconnected", None)

    def release(self) -> None:
        """Stop calling `on_change`: the connection is being removed."""
        self._on_change = self._on_keep = None

    async def _stop_login(self) -> None:
        await self.session.logins.stop(Conflict(f"The login to {self.name} was stopped."))

    async def close(self) -> None:
        """Release all resources; the session on the remote stays until it expires."""
        self._closed = True
        await self._stop_login()
        try:
            await within(LOGOUT_SECONDS, self.connector.close())
        except (Problem, asyncio.TimeoutError, OSError) as error:
            self.log.info("%s did not close: %s", self.name, type(error).__name__)
        finally:
            try:
                await self.connector.context.outbound.close()
            finally:
                redaction.drop(self.connector.context)

    # -- being used ----------------------------------------------------------------------------

    async def ready(self, role: type[R]) -> R:
        """Return the connector in the given role, logged in.

        Raises Unsupported if it does not have the role, NeedsLogin if a user has to log in, or
        the exception of the login.
        """
        connector: Any = self.connector
        if not isinstance(connector, role) or set(role.words) & self.connector.cannot:
            raise Unsupported(
                f"{self.name} ({self.kind}) has no {' or '.join(role.words)}.", can=self.can
            )
        if self.session.is_over or self.session.is_due:
            await self._renew()
        return connector

    async def use(self, role: type[R], do: Callable[[R], Awaitable[T]]) -> T:
        """Return the result of `do(connector)`; if the session has expired, after a new login.

        All callers that find the same session expired share one login.
        """
        connector = await self.ready(role)
        count = self.session.count
        try:
            return await self._watch(do(connector))
        except Expired:
            await self.renew(count)
        try:
            return await self._watch(do(connector))
        except Expired as error:
            self._lose("expired", error)
            raise

    async def renew(self, count: int) -> None:
        """The session `count` has expired: log in again, unless another caller did so already."""
        if count == self.session.count:
            if self.session.alive:
                self._lose("expired", Expired(f"The session of {self.name} has ended."))
            await self._renew()
        elif self.session.is_over:
            await self._renew()

    async def probe(self) -> None:
        """Check within seconds whether the remote answers, and update the state. Never raises.

        Without a session, log in if that is possible automatically.
        """
        self.current_state.on_request()
        count = self.session.count
        self.current_state.misses += 1
        try:
            if self.session.is_over or self.session.is_due:
                if self.is_wanted:
                    await self._renew()
                return
            await within(PROBE_SECONDS, self._watch(self.connector.probe()))
        except Expired:
            await self._renew_quietly(count)
        except asyncio.TimeoutError:
            self.current_state.enter(
                "unreachable", Timeout(f"No answer within {PROBE_SECONDS:g} s.")
            )
        except Problem as problem:
            if self.session.alive and not isinstance(problem, (Unavailable, Timeout)):
                self.current_state.enter(state_of(problem), problem)
        except Exception:
            self.log.exception("The connector %s failed to probe", self.kind)
            failure = RemoteFailed(f"The connector {self.kind} failed; see the server's log.")
            self.current_state.enter("failed", failure)

    # -- below ---------------------------------------------------------------------------------

    @property
    def log(self) -> logging.Logger | logging.LoggerAdapter[Any]:
        return self.connector.context.log

    async def _renew_quietly(self, count: int) -> None:
        try:
            await self.renew(count)
        except Problem as problem:
            self.log.debug("%s was not renewed: %s", self.name, problem.code)

    async def _renew(self) -> None:
        """Log in if there is no session, refresh it if it ends soon; raise if neither helps."""
        if self.session.is_over:
            self._check_wanted()
            if not self.session.is_opening:
                self._check_refusals()
            await self._join(self.connector.login)
            return
        try:
            await self._join(self.connector.refresh)
        except Problem:
            if self.session.is_over:
                raise

    def _check_wanted(self) -> None:
        if self.session.is_opening:
            return
        if self._logged_out:
            raise NeedsLogin(f"Log in to {self.name} first.", connection=self.name)
        needs = list(self.connector.needs)
        if needs:
            raise NeedsLogin(
                f"{self.name} needs {' and '.join(needs)} to log in.",
                connection=self.name,
                needs=needs,
            )
        if self._blocked is not None:
            raise self._blocked

    async def _join(self, how: Callable[[], Awaitable[Login]]) -> None:
        if self._closed:
            raise Conflict(f"{self.name} was removed.")
        await self.session.logins.join(self.name, lambda: self._run(how))

    async def _run(self, how: Callable[[], Awaitable[Login]]) -> None:
        """Log in once, from the state `connecting` to the outcome's state."""
        if self.session.is_over:
            self.current_state.enter("connecting")
        self.current_state.on_request()
        began = time.monotonic()
        outcome = "cancelled"
        try:
            login = await self._tried(how)
            outcome = "connected"
        except asyncio.CancelledError:
            self._lose("disconnected", None)
            raise
        except Exception as error:
            problem = self._explain(error)
            outcome = state_of(problem)
            if outcome in ("forbidden", "disconnected") and not isinstance(problem, Busy):
                self._blocked = problem
            if self.session.is_over or not (outcome == "unreachable" or isinstance(problem, Busy)):
                self._lose(outcome, problem)
            else:  # the refresh failed, but the session is still valid
                self.session.put_off(RETRY_SECONDS)
                if outcome == "unreachable":
                    self.current_state.enter(outcome, problem)
            raise problem from None
        finally:
            metrics.LOGINS.labels(self.kind, outcome).inc()
            metrics.LOGIN_SECONDS.labels(self.kind).observe(time.monotonic() - began)
        self.session.begin(login)
        self._blocked = None
        await self._keep(login)
        self.current_state.enter("connected")

    async def _tried(self, how: Callable[[], Awaitable[Login]]) -> Login:
        """Return the login of `how()`, within its deadline; count a refusal."""
        account, user = self.connector.account, self.fields.username
        secret = secret_in(self.fields)
        self._refusals.check(account, secret)  # another login may have begun meanwhile
        with self._refusals.trying(account, secret):
            try:
                login = await within(self.connector.login_seconds, how())
            except (Denied, NeedsLogin) as problem:
                if not isinstance(problem, Expired):
                    self._refusals.add(account)
                if isinstance(problem, WrongCredentials):
                    self._refused = (user, secret)
                raise
            self._refusals.clear(account)
        self._refused = None
        return login

    def _explain(self, error: Exception) -> Problem:
        if isinstance(error, Problem):
            return error
        if isinstance(error, asyncio.TimeoutError):
            seconds = self.connector.login_seconds
            return Timeout(f"{self.name} did not complete the login within {seconds:g} s.")
        # A fault of the connector: its traceback goes to the log.
        self.log.error("The connector %s failed to log in", self.kind, exc_info=error)
        name = type(error).__name__
        return RemoteFailed(f"The connector {self.kind} failed ({name}); see the server's log.")

    async def _keep(self, login: Login) -> None:
        """Set the fields that a login returned, and save them if the connection is saved."""
        given = {**login.keep}
        if login.username and not self.fields.username:
            given["username"] = login.username
        if given:
            self.connector.fields = self.changed(given)
        if self.remembered and self._on_keep is not None:
            try:
                await self._on_keep(self)
            except (Problem, OSError) as error:
                self.log.warning("%s could not be saved: %s", self.name, error)

    async def _watch(self, call: Awaitable[T]) -> T:
        """Return the result of the call; update the state from its outcome."""
        try:
            result = await call
        except (Unavailable, Timeout) as problem:
            self.current_state.on_request()
            self.current_state.enter("unreachable", problem)
            raise
        self.current_state.on_answer()
        if self.session.alive and self.state != "connected":
            self.current_state.enter("connected")
        return result

    def _lose(self, state: str, problem: Problem | None) -> None:
        self.session.end()
        self.current_state.enter(state, problem)

    def _changed(self, before: str) -> None:
        if self._on_change is not None:
            self._on_change(self, before)


def hide_secrets(fields: Fields, owner: object) -> None:
    """Keep the secrets of the fields out of the log until `owner` is dropped."""
    for name in secrets_of(type(fields)):
        redaction.hide(getattr(fields, name), owner)


def check_size(given: Mapping[str, Any]) -> None:
    """Raise BadRequest if a request's fields are too large."""
    if len(msgspec.json.encode(given)) > MAX_FIELDS:
        raise BadRequest(f"The fields of a connection have {MAX_FIELDS} bytes at most.")

"""One socket of the plan as the writing role holds it: its link, the successor before an announced
end, and the doubt whether its silence is death.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hunter.exchange.okx.events import DataSilent
from hunter.exchange.okx.requests import Subscription
from hunter.exchange.okx.states import SessionState, SubscriptionState
from hunter.stream.handover import Handover
from hunter.stream.link import Link
from hunter.stream.parts import Parts
from hunter.stream.probe import SilenceProbe
from hunter.stream.reception import Reception


class Line:
    """`number`: its place in the plan. `newest` tells the newest match known of an instrument;
    `on_dead` is called with this line and the reason when its feed is dead.
    """

    def __init__(
        self,
        parts: Parts,
        number: int,
        link: Link,
        newest: Callable[[str], int | None],
        on_dead: Callable[[Line, str], None],
    ) -> None:
        self.socket = socket = parts.plan.sockets[number]
        self.link = link
        self.handover: Handover | None = None
        # Who looks at its bytes first; nobody in the waiting role.
        self.reception: Reception | None = None
        # The connection is gone, and no successor was there: somebody else may do better.
        self.is_cut_off = False
        self.number = number
        self._parts = parts
        self._successor_count = 0
        # Instruments that it serves, each with its channels.
        self.carried: dict[str, tuple[str, ...]] = {}
        for subscription in socket.subscriptions:
            for name in parts.plan.served[subscription]:
                self.carried[name] = (*self.carried.get(name, ()), subscription.channel)
        self._newest = newest
        self.probe = SilenceProbe(
            parts, self._newest_brought, lambda reason: on_dead(self, reason), number
        )

    @property
    def links(self) -> list[Link]:
        return [self.link] if self.handover is None else [self.link, self.handover.link]

    def receive_with(self, reception: Reception | None) -> None:
        """Its link's bytes are shown to `reception` first."""
        self.reception = reception
        self.link.use(reception)

    @property
    def read_ts_ns(self) -> int:
        """Wall time of the last read that brought anything; 0 while nobody has noted one."""
        return 0 if self.reception is None else self.reception.received_ts_ns

    def begin_turn(self) -> None:
        """What was read before has been published."""
        if self.reception is not None:
            self.reception.begin_turn()

    def states(self) -> dict[Subscription, SubscriptionState]:
        return {item: self.link.subscription_state(item) for item in self.socket.subscriptions}

    def begin_handover(self) -> bool:
        """The exchange will close this connection: have the next one before it does. False when
        that is under way.
        """
        if self.handover is not None:
            return False
        self.handover = self.successor_of(self._parts.new_link(self.socket))
        return True

    def successor_of(self, link: Link) -> Handover:
        """A successor of this line that uses `link`."""
        self._successor_count += 1
        return Handover(self._parts, self.socket, link, self.number, self._successor_count)

    def take_over(self) -> Handover:
        """The successor is the link from now on."""
        handover, self.handover = self.handover, None
        assert handover is not None
        former, self.link = self.link, handover.link
        self.probe.forget()
        self.link.connects += former.connects
        self.link.last_close = former.last_close or "replaced before its announced end"
        former.abort("replaced")
        self.link.use(self.reception)
        # A successor that has just lost its own connection is no better.
        self.is_cut_off = not self.link.is_open
        return handover

    @property
    def is_ending(self) -> bool:
        """Whether the exchange has announced the end of the connection."""
        return self.link.is_open and self.link.session.state is SessionState.CLOSING

    def _newest_brought(self, instrument: str) -> int | None:
        """The newest match that came over this socket; what another one brings proves nothing."""
        if self._parts.trade_channel not in self.carried.get(instrument, ()):
            return None
        return self._newest(instrument)

    def ask_rest(self, event: DataSilent, names: Sequence[str], now_ns: int) -> None:
        """The whole connection is silent: does the market rest? `names`: instruments to ask about,
        the liveliest first; a sentinel is livelier than any.
        """
        if event.sentinel is not None:
            names = (event.sentinel.inst_id,)
        if names:
            self.probe.ask(self.link, names, event.silence_ns, now_ns)

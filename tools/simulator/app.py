"""The exchange with all that stands in for the world around it: the composition that is served."""

from functools import partial

from flask import Blueprint, Flask

from exchange.legs import Leg, LegMaker
from exchange.rest import app
from exchange.rest.server import Simulator
from exchange.settings import Settings
from tools.simulator import crowd_place, keldoc, mails, phone
from tools.simulator.keldoc_diary import Diary
from tools.simulator.people import TEMPERAMENTS, somebody


def _maker(name: str) -> LegMaker:
    def make(seed: int, number: str) -> Leg:
        return somebody(name, seed, sender=number)

    return make


def _telephone(simulator: Simulator) -> Blueprint:
    telephone = phone.Phone(simulator)
    simulator.ringing.subscribers.append(telephone.rung)
    simulator.links["/telephone"] = "A telephone to try"
    return phone.blueprint(telephone, simulator.settings)


def _crowd(simulator: Simulator) -> Blueprint:
    crowd = crowd_place.CrowdPlace(simulator)
    simulator.ringing.subscribers.append(crowd)
    return crowd_place.blueprint(crowd, simulator)


def _keldoc(simulator: Simulator) -> Blueprint:
    diary = Diary(simulator.clock, simulator.sleep)
    return keldoc.blueprint(diary, simulator.authenticate)


# Takes what the exchange's own `create_app` takes.
create_app = partial(
    app.create_app,
    temperaments={name: _maker(name) for name in TEMPERAMENTS},
    extensions=(_telephone, _crowd, _keldoc, mails.blueprint),
)


def serve() -> Flask:
    """The same as it is served, with its server for mails."""
    settings = Settings()
    mails.listen(settings)
    return create_app(settings)

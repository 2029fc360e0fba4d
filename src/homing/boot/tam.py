"""The TAM's programme for one worker, wired: its routes, mail and keeper."""

import asyncio

from homing.api.v1.support_tam_office import TamOffice
from homing.boot.figures import AccountFigures
from homing.ground import db
from homing.support.cases.rules.addresses import Token
from homing.support.cases.sending import Mail
from homing.support.clocks.store import LegalClock
from homing.support.tam.desk import Desk
from homing.support.tam.keeper import Keeper
from homing.support.tam.post import Post
from homing.support.threads.desk import address_of


class Tam:
    """The programme for one worker. Without a support address it sends no mail; records work all the same.

    token   that answers to mail of threads are signed with
    """

    def __init__(self, pool: db.Pool, legal: LegalClock, mail: Mail, *, address: str, token: Token) -> None:
        self.figures = AccountFigures(pool, legal)
        self.desk = Desk(pool, legal)
        self._address = address
        self.post = Post(pool, self.desk, legal, mail, address=address, answers_to=address_of, token=token)
        self.desk.news = self.post.look
        self.office = TamOffice(pool=pool, legal=legal, desk=self.desk, figures=self.figures)
        self.keeper = Keeper(pool, legal, self.desk, self.figures)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.keeper.run(), name="tam")
            if self._address:
                tasks.create_task(self.post.run(), name="tam post")

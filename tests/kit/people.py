"""Members of the staff, as tests need them."""

from homing.contracts import people
from homing.contracts.types import Role, StaffMember
from homing.ground import db


async def staff(pool: db.Pool, name: str, *roles: Role) -> StaffMember:
    """Return a new member of the staff; by default a CST representative."""
    wanted = StaffMember(
        person_id=0,
        name=name,
        email=f"{name.lower()}@provider.test",
        phone="",
        roles=frozenset(roles or (Role.CST,)),
    )
    made = await people.add(pool, wanted, actor="operator")
    assert made is not None
    return made

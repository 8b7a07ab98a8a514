"""Users, roles, sessions, API keys and limits. Verification is synchronous, in memory, and takes microseconds."""

from ai_secretary.access.events import AccessChanged, SessionRevoked
from ai_secretary.access.keys import KeyChange, NewKey
from ai_secretary.access.limits import GROUPS, LimitsState, RateLimits, Standing, address_identity, identity_of
from ai_secretary.access.passwords import MIN_LENGTH, Passwords, generate_password
from ai_secretary.access.principal import ROLES, SYSTEM, V1_SCOPES, Principal, Role, role_allows
from ai_secretary.access.results import Login, PrintedOnce, SessionInfo
from ai_secretary.access.service import SESSION_COOKIE, SESSION_S, Access

__all__ = [
    "GROUPS",
    "MIN_LENGTH",
    "ROLES",
    "SESSION_COOKIE",
    "SESSION_S",
    "SYSTEM",
    "V1_SCOPES",
    "Access",
    "AccessChanged",
    "KeyChange",
    "LimitsState",
    "Login",
    "NewKey",
    "Passwords",
    "Principal",
    "PrintedOnce",
    "RateLimits",
    "Role",
    "SessionInfo",
    "SessionRevoked",
    "Standing",
    "address_identity",
    "generate_password",
    "identity_of",
    "role_allows",
]

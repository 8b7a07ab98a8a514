"""What a trial means, in plain words: fact, meaning, step."""

from __future__ import annotations

from ai_secretary.i18n import Translator, current_language, translate_anywhere
from ai_secretary_llm_cloud.trial import Trial

_ = Translator("llm_cloud")


def trial_message(trial: Trial) -> str:
    if trial.error is None:
        return _("{model} answers: “{reply}”", model=trial.model, reply=trial.reply)
    return _.error(trial.error)


def trial_hint(trial: Trial) -> str:
    """What to do next; empty where there is nothing to do."""
    if trial.error is None:
        return ""
    texts = {
        "key_refused": _("The provider says that there is no such key or that it was revoked. Make a new one and paste it here."),
        "out_of_funds": _("Top up the provider's account: nothing needs to be restarted after that."),
        "rate_limited": _("The provider asks to wait. Try again in a minute, or take a larger plan."),
        "model_not_found": _("Choose one of the models in the provider's list."),
        "unreachable": _("Check the address, and whether the server is running and can be reached from here."),
        "provider_timeout": _("Try again. A large model may need a longer time limit."),
        "bad_reply": _("Check the address: it must lead to the provider's API and usually ends with /v1."),
    }
    said = str(trial.error.params.get("said", ""))
    hint = texts.get(trial.error.code, translate_anywhere(trial.error.hint, current_language()))
    return f"{hint} {_('The provider said: {said}', said=said)}" if said and said not in hint else hint

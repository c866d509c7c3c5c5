from __future__ import annotations

from collections.abc import Iterable

import pgtrigger
from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from oauth2_provider.models import AbstractApplication, ClientSecretField

from clients.hashers import HASH_PREFIX, new_hashed_secret, secret_matches
from clients.sealing import unseal
from clients.tokens import secret_fingerprint
from clients.usage import Use
from clients.webhooks import new_sealed_webhook_secret

MAX_PRIORITY = 32767
DEFAULT_PRIORITY = 10
SECRET_NAME = "[A-Za-z_][A-Za-z0-9_]*"  # noqa: S105  # a pattern
SECRET_NAME_LENGTH = 128
SECRET_NAME_RULE = f"Letters, digits and underscores, the first no digit; at most {SECRET_NAME_LENGTH}."

no_control_characters = RegexValidator(
    r"[\x00-\x1f\x7f-\x9f]", "A name has no control characters.", inverse_match=True, code="control_characters"
)


class Client(AbstractApplication):
    """A tenant: an OAuth application that submits pipelines, with its priority and its limits.

    It is `request.user` of the requests it makes, hence the handful of attributes that Django, DRF and
    templates ask of a user. It holds no permission of its own: it sees what belongs to it, nothing else.
    """

    # An application of django-oauth-toolkit belongs to a user and goes with it; a client belongs to nobody.
    user = None

    name = models.CharField(
        max_length=255,
        unique=True,
        validators=[no_control_characters],
        help_text="Shown to operators; 1-255 characters, no two clients share one.",
    )
    client_type = models.CharField(
        max_length=32,
        choices=AbstractApplication.CLIENT_TYPES,
        default=AbstractApplication.CLIENT_CONFIDENTIAL,
        editable=False,
    )
    authorization_grant_type = models.CharField(
        max_length=44,
        choices=AbstractApplication.GRANT_TYPES,
        default=AbstractApplication.GRANT_CLIENT_CREDENTIALS,
        editable=False,
    )
    is_active = models.BooleanField(
        "active",
        default=True,
        help_text="An inactive client cannot log in, its tokens stop at once and its waiting jobs are not started; "
        "what runs is let finish.",
    )
    priority = models.PositiveSmallIntegerField(
        default=DEFAULT_PRIORITY,
        validators=[MaxValueValidator(MAX_PRIORITY)],
        help_text="0-32767, a smaller number is a higher priority: its jobs go before those of every client with "
        "a larger one. Read at each claim, so a change holds for jobs already waiting.",
    )
    queue_size = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="How many of its jobs may be in progress at once. Empty: no limit of its own. 0: nothing starts.",
    )
    max_ready_jobs = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="How many of its jobs may wait; a submission beyond that is refused with 429. Empty: no limit "
        "of its own.",
    )
    # A client begins with a secret that nobody knows; `registration` gives it the first known one. Never looked up by
    # value, so the index of the abstract model is left out.
    client_secret = ClientSecretField(max_length=255, default=new_hashed_secret, editable=False)
    limits_changed_at = models.DateTimeField(db_default=Now(), editable=False)
    previous_secret = models.CharField(max_length=255, blank=True, default="", editable=False)
    secret_changed_at = models.DateTimeField(default=timezone.now, editable=False)
    webhook_secret_sealed = models.TextField(default=new_sealed_webhook_secret, editable=False)

    # What it uses of its limits; only on the instances of a list that counted it.
    use: Use

    is_authenticated = True
    is_anonymous = False
    is_staff = False
    is_superuser = False

    class Meta:
        triggers = [
            # Whoever changes it: use above a limit is a fault only if something was claimed since the limit changed.
            pgtrigger.Trigger(
                name="limits_changed",
                when=pgtrigger.Before,
                operation=pgtrigger.UpdateOf("queue_size"),
                condition=pgtrigger.Q(old__queue_size__df=pgtrigger.F("new__queue_size")),
                func="NEW.limits_changed_at = clock_timestamp(); RETURN NEW;",
            )
        ]
        constraints = [
            models.CheckConstraint(condition=~models.Q(name=""), name="client_has_a_name"),
            models.CheckConstraint(condition=models.Q(priority__range=(0, MAX_PRIORITY)), name="client_priority_range"),
            models.CheckConstraint(condition=models.Q(queue_size__gte=0), name="client_queue_size_not_negative"),
            models.CheckConstraint(
                condition=models.Q(max_ready_jobs__gte=0), name="client_max_ready_jobs_not_negative"
            ),
            models.CheckConstraint(
                condition=models.Q(
                    client_type=AbstractApplication.CLIENT_CONFIDENTIAL,
                    authorization_grant_type=AbstractApplication.GRANT_CLIENT_CREDENTIALS,
                ),
                name="client_only_client_credentials",
            ),
            models.CheckConstraint(
                condition=models.Q(client_secret__startswith=HASH_PREFIX, hash_client_secret=True)
                & (models.Q(previous_secret="") | models.Q(previous_secret__startswith=HASH_PREFIX)),
                name="client_secrets_are_hashed",
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.client_id

    def __repr__(self) -> str:
        return f"<Client {self.pk}: {self.name!r}>"

    @property
    def has_previous_secret(self) -> bool:
        return bool(self.previous_secret)

    @property
    def webhook_secret(self) -> str:
        """The signing secret in clear; only for signing, or for showing it once to who made the client."""
        return unseal(self.webhook_secret_sealed)

    def matching_secret(self, secret: str) -> str | None:
        """Return the fingerprint of the secret in use that this is, the current or the previous one, or None."""
        for stored in (self.client_secret, self.previous_secret):
            if secret_matches(secret, stored=stored):
                return secret_fingerprint(stored)
        return None

    def honours(self, token: str) -> bool:
        """Tell whether a token issued to this client still holds: the client active, its secret not retired."""
        issued_with = token.partition(".")[0]
        in_use = {secret_fingerprint(stored) for stored in (self.client_secret, self.previous_secret) if stored}
        return self.is_active and issued_with in in_use

    def is_usable(self, request: object) -> bool:
        """Answer django-oauth-toolkit: an inactive client may do nothing."""
        return self.is_active

    def get_username(self) -> str:
        return str(self)

    def has_perm(self, perm: str, obj: object = None) -> bool:
        return False

    def has_perms(self, perm_list: Iterable[str], obj: object = None) -> bool:
        return False

    def has_module_perms(self, app_label: str) -> bool:
        return False


class NamedSecret(models.Model):
    """A value that a client keeps here under a name, for params to refer to; what is kept of it is encrypted.

    Written and read by `clients.vault` alone. The value goes in and never comes out, except into execute requests.
    """

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="secrets", db_index=False)
    name = models.CharField(
        max_length=SECRET_NAME_LENGTH,
        validators=[RegexValidator(rf"\A{SECRET_NAME}\Z", SECRET_NAME_RULE)],
        help_text="Params refer to it by this as ${{ secrets.NAME }}.",
    )
    sealed_value = models.TextField(editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = "named secret"
        ordering = ("name",)
        constraints = [models.UniqueConstraint(fields=["client", "name"], name="named_secret_unique")]

    def __str__(self) -> str:
        return self.name

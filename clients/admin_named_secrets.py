from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from clients import vault
from clients.exceptions import InvalidSecret
from clients.models import Client, NamedSecret

if TYPE_CHECKING:
    SecretModelForm = forms.ModelForm[NamedSecret]
    SecretInline = admin.TabularInline[NamedSecret, Client]
else:
    SecretModelForm = forms.ModelForm
    SecretInline = admin.TabularInline


class SecretText(forms.Textarea):
    """Shows nothing of what it was given, not even when the form comes back with a mistake."""

    def __init__(self) -> None:
        super().__init__(
            {"rows": 4, "cols": 80, "autocomplete": "off", "spellcheck": "false", "class": "vLargeTextField"}
        )

    def format_value(self, value: Any) -> None:
        return None


class NamedSecretForm(SecretModelForm):
    """A named secret: its value goes in, and an empty one keeps what there is."""

    value = forms.CharField(required=False, strip=False, widget=SecretText(), help_text="Empty keeps the one there is.")

    class Meta:
        model = NamedSecret
        fields = ("name",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].disabled = self.instance.pk is not None

    def clean_value(self) -> str:
        # Browsers send the line breaks of a text area as CR LF, whatever was pasted.
        value: str = self.cleaned_data["value"].replace("\r\n", "\n")
        if value or self.instance.pk is None:
            try:
                vault.check_value(value)
            except InvalidSecret as refused:
                raise ValidationError(str(refused)) from refused
        return value

    def save(self, commit: bool = True) -> NamedSecret:
        name = self.cleaned_data["name"]
        if self.cleaned_data["value"]:
            vault.put(self.instance.client, name=name, value=self.cleaned_data["value"])
        return NamedSecret.objects.get(client=self.instance.client, name=name)


class NamedSecrets(SecretInline):
    """The named secrets on their client's page."""

    model = NamedSecret
    form = NamedSecretForm
    fields = ("name", "value", "created_at", "updated_at")
    readonly_fields = ("created_at", "updated_at")
    extra = 1
    max_num = vault.SECRETS_MAX

    def get_formset(self, request: HttpRequest, obj: Client | None = None, **kwargs: Any) -> Any:
        return super().get_formset(request, obj, **kwargs, validate_max=True)

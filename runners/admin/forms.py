from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from pipelines import kinds
from runners import registration
from runners.admin.cluster_fields import FIELDS, ClusterFields
from runners.exceptions import InvalidRunner
from runners.executors import is_executable
from runners.models import Runner, RunnerType

if TYPE_CHECKING:
    RunnerModelForm = forms.ModelForm[Runner]
else:
    RunnerModelForm = forms.ModelForm


class RunnerForm(ClusterFields, RunnerModelForm):
    """A runner: the kinds it takes are chosen from those that there are, the type from those that can be used."""

    kinds = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None chosen: every kind that runners of its type execute.",
    )

    class Meta:
        model = Runner
        fields = ("name", "type", "capacity", "kinds", "clients")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cluster_changes = {}
        if self.instance.type == RunnerType.KUBERNETES and self.instance.pk:
            self.show_cluster(self.instance.cluster)
        elif self.instance.pk:
            for name in FIELDS:
                del self.fields[name]
        runner_type = self.instance.type if self.instance.pk else None
        known = {kind.name for kind in kinds.kinds() if runner_type in (None, kind.runner_type)}
        # One that it names and that is gone stays to be seen, and to be taken away.
        self.fields["kinds"].choices = [(name, name) for name in sorted({*known, *self.instance.kinds})]  # type: ignore[attr-defined]
        if "type" in self.fields:
            self.fields["type"].choices = [each for each in RunnerType.choices if is_executable(each[0])]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        runner_type = cleaned.get("type", self.instance.type)
        try:
            registration.check_kinds(runner_type, cleaned.get("kinds", []))
        except InvalidRunner as refused:
            self.add_error("kinds", str(refused))
        if runner_type == RunnerType.KUBERNETES:
            self.clean_cluster(kept=self.instance.cluster if self.instance.pk else None)
        elif given := [name for name in FIELDS if cleaned.get(name)]:
            self.add_error(given[0], "Only a kubernetes runner has a cluster.")
        return cleaned


class NoteForm(forms.Form):
    note = forms.CharField(
        required=False,
        max_length=255,
        help_text="Why, for those who wonder later.",
        widget=forms.TextInput(attrs={"class": "vTextField", "autofocus": True}),
    )

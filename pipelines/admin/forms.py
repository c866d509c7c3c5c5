"""What operators may change, checked by the rules of the API."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from django import forms

from clients import vault
from pipelines import definition, masking
from pipelines.definition import DocumentErrors
from pipelines.models import Job, Pipeline

if TYPE_CHECKING:
    AnyModelForm = forms.ModelForm[Any]
else:
    AnyModelForm = forms.ModelForm


class Indented(json.JSONEncoder):
    """JSON over several lines, to be edited by people."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "indent": 2})


class JSONObjectField(forms.JSONField):
    """A JSON object to edit, `{}` allowed."""

    def __init__(self, *, rows: int, **options: Any) -> None:
        widget = forms.Textarea(attrs={"class": "json", "rows": rows})
        super().__init__(required=False, encoder=Indented, widget=widget, **options)


class ChangesForm(AnyModelForm):
    """A form of which only the changed fields count.

    Each field carries along what the page showed, so that a change somebody else made meanwhile is not taken for one
    made here and undone.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.show_hidden_initial = True

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        changed = {name: cleaned[name] for name in self.changed_data if name in cleaned}
        try:
            self.check(changed)
        except DocumentErrors as refused:
            for error in refused.errors:
                _, _, path = error.pointer.partition("/")
                name, _, inside = path.partition("/")
                self.add_error(name or None, f"{inside}: {error.detail}" if inside else error.detail)
        return cleaned

    def check(self, changed: dict[str, Any]) -> None:
        """Raise DocumentErrors if the changes break the rules."""
        raise NotImplementedError


class PipelineForm(ChangesForm):
    labels = JSONObjectField(rows=4, help_text='Names and values to find it by: {"project": "wordcount"}.')

    class Meta:
        model = Pipeline
        fields = ("name", "priority", "labels")

    def check(self, changed: dict[str, Any]) -> None:
        definition.parse_pipeline_changes({name: value for name, value in changed.items() if (name, value) != NAMELESS})


class JobForm(ChangesForm):
    params = JSONObjectField(rows=12, help_text="As the kind's schema says.")

    class Meta:
        model = Job
        fields = ("priority", "params", "retry_attempt", "allow_failure", "timeout")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["params"] = masking.shown_params(self.instance)

    def clean_params(self) -> Any:
        return masking.restored(self.cleaned_data["params"], job=self.instance)

    def check(self, changed: dict[str, Any]) -> None:
        job = self.instance
        definition.parse_job_changes(
            changed,
            kind=job.kind,
            version=job.version,
            name=job.name,
            secrets=partial(vault.names_of, job.client_id),
        )


# A pipeline may go without a name, which a document says by leaving it out.
NAMELESS = ("name", "")

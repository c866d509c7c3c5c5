from __future__ import annotations

from django import template

from pipelines.admin import showing

register = template.Library()
register.filter("badge", showing.badge)

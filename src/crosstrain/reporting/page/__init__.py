"""The report page: one file that needs no network, from a comparison's result.

What is stable for tests and for those who link into it:

- sections (``id``): ``summary``, ``changes`` (of several comparisons), ``results``, ``certificates``,
  ``charts``, ``rounding``, ``stability``, ``criteria``, ``forecasts``, ``quality``, ``mistakes``, ``inside``,
  ``search``, ``settings``, ``machine``, ``data``, ``repeat``, ``notes``; one that is empty is not there;
- ``#recommendation``, ``#key-table``, ``#certificate-table``, ``#criteria-table``, ``#forecast-table``,
  ``#search-table``, ``#confusion``, ``#class-table``, ``#command``, ``.gallery``; the button ``#theme``; the
  selects ``#filter-network``, ``#filter-size``, ``#filter-engine`` in the form ``#filters``, whose count is
  in ``#filter-count``;
- a chart is ``figure[data-chart=NAME]`` with its drawing in ``#chart-NAME`` (``.chart``, an SVG) and buttons
  ``[data-download=csv|png|svg]``. NAME is ``time-by-size``, ``time-by-depth``, ``time-by-network``,
  ``accuracy-by-time``, ``forecasts``, ``error-by-step``, ``learning-by-epoch``, ``learning-by-seconds``,
  ``loss-by-epoch``, ``loss-by-seconds``, ``latency``, ``latency-distribution``, ``memory``, ``tuning``,
  ``search-SETTING``, ``rounding-twins``, ``where-time-went``; with several machines ``time-by-machine``; of
  a series ``history-1`` and so on; at inference also ``throughput``;
- ``html[data-ready]`` is the theme (``light``, ``dark``) in which all charts have been drawn.
"""

from __future__ import annotations

from crosstrain.reporting.page.writing import render, render_inference, render_machines, write_page

__all__ = ["render", "render_inference", "render_machines", "write_page"]

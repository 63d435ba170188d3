// The parts of ECharts that the page draws with, in a chunk of their own: the numbers are on screen before it is here.

import { LineChart } from "echarts/charts";
import { GridComponent, MarkAreaComponent, MarkLineComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";

use([LineChart, GridComponent, MarkAreaComponent, MarkLineComponent, CanvasRenderer]);

export { init };

#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "report/chart_script.h"

namespace quiver {

// The gnuplot script that draws panels into `picture`, two side by side. Pure text, no I/O; texts as in
// chart_script(). Throws as plot_matrices.
std::string matrix_script(std::span<const MatrixPanel> panels, ChartFormat format,
                          const std::filesystem::path& picture);

// The gnuplot script that draws the heat maps of `results` into `picture`, two panels side by side. Pure
// text, no I/O; texts as in chart_script(). Throws Error(kInvalidArgument) for no routing weights, too many
// panels or too many tasks.
std::string heat_map_script(const Results& results, ChartFormat format, const std::filesystem::path& picture);

}  // namespace quiver

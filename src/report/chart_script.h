#pragma once

#include <filesystem>
#include <string>

#include "quiver/report.h"

namespace quiver {

enum class ChartFormat { kSvg, kPng };

// More bars than this in one panel would be a picture nobody can read.
inline constexpr std::size_t kMaxBars = 200;

// The gnuplot script that draws `results` into `picture`: one panel per metric, stacked. Pure text, no I/O.
// Every text from `results` passes through gnuplot_text(). Throws Error(kInvalidArgument) for no rows or too
// many.
std::string chart_script(const Results& results, ChartFormat format, const std::filesystem::path& picture);

// `text` as a gnuplot string in double quotes in which every byte except ASCII letters, digits and spaces is
// an octal escape. gnuplot substitutes `commands`, @macros and continued lines before it decodes
// escapes, so none of them can be smuggled in.
std::string gnuplot_text(const std::string& text);

// The commands that begin a picture of this size in pixels: terminal, font, white background, output file.
std::string terminal_commands(ChartFormat format, double width, double height,
                              const std::filesystem::path& picture);

}  // namespace quiver

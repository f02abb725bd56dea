#include "core/files.h"
#include "quiver/error.h"
#include "quiver/report.h"
#include "report/chart_script.h"
#include "report/gnuplot.h"
#include "report/heat_map_script.h"

namespace quiver {
namespace {

constexpr std::uint64_t kMaxPictureBytes = 256ull << 20;

ChartFormat format_of(const std::filesystem::path& out) {
  const std::string extension = out.extension().string();
  if (extension == ".svg") return ChartFormat::kSvg;
  if (extension == ".png") return ChartFormat::kPng;
  throw Error(ErrorKind::kInvalidArgument, "cannot draw into '" + out.string() + "': unknown picture format",
              "end the name in .svg or .png");
}

// `script_of` makes the script that draws `what`.
template <typename What, typename ScriptWriter>
void draw(const What& what, const std::filesystem::path& out, const ScriptWriter& script_of) {
  const ChartFormat format = format_of(out);
  const TemporaryDirectory scratch(std::filesystem::temp_directory_path());
  const std::filesystem::path script = scratch.path() / "chart.gnuplot";
  const std::filesystem::path picture = scratch.path() / ("picture" + out.extension().string());
  write_file_atomic(script, script_of(what, format, picture));
  run_gnuplot(script, scratch.path());
  write_file_atomic(out, read_file(picture, kMaxPictureBytes));
}

}  // namespace

void plot_results(const Results& results, const std::filesystem::path& out) {
  draw(results, out, chart_script);
}

void plot_heat_maps(const Results& results, const std::filesystem::path& out) {
  draw(results, out, heat_map_script);
}

void plot_matrices(std::span<const MatrixPanel> panels, const std::filesystem::path& out) {
  draw(panels, out, matrix_script);
}

}  // namespace quiver

// Thousands of damaged files: a reader may succeed or throw quiver::Error, nothing else. The generator is
// seeded, so a failure names a mutation that can be made again.
#include <random>

#include "support/test_support.h"
#include "tensor/gguf.h"
#include "tensor/gguf_builder.h"
#include "tensor/safetensors.h"
#include "tensor/torch_builder.h"
#include "tensor/torch_file.h"

namespace quiver {
namespace {

constexpr int kMutations = 3000;

// One to four changes: a byte, a 4- or 8-byte number of a kind that parsers get wrong, a cut, an insertion or
// a copied piece.
std::string mutate(std::string bytes, std::mt19937& random) {
  constexpr std::uint64_t kNasty[] = {0,          1,          7,          31,         33,
                                      255,        1u << 16,   ~0u,        1ull << 31, 1ull << 32,
                                      1ull << 61, 1ull << 62, 1ull << 63, ~0ull,      ~0ull - 7};
  const auto below = [&](std::size_t limit) { return random() % std::max<std::size_t>(limit, 1); };
  const std::size_t changes = 1 + below(4);
  for (std::size_t i = 0; i < changes && bytes.size() > 16; ++i) {
    const std::size_t place = below(bytes.size() - 8);
    switch (below(6)) {
      case 0:
        bytes[place] = static_cast<char>(random());
        break;
      case 1:
        std::memcpy(&bytes[place], &kNasty[below(std::size(kNasty))], 8);
        break;
      case 2:
        std::memcpy(&bytes[place], &kNasty[below(std::size(kNasty))], 4);
        break;
      case 3:
        bytes.resize(place);
        break;
      case 4:
        bytes.insert(place, 1, "0123456789{}[]\",:\\\0\xff"[below(21)]);
        break;
      default:
        bytes.replace(below(bytes.size()), below(16), bytes.substr(place, below(16)));
    }
  }
  return bytes;
}

// Runs `use` on each damaged version of `bytes`; the count of those it accepted.
int fuzz(const std::string& bytes, const std::function<void(const std::filesystem::path&)>& use) {
  const test::ScratchDirectory scratch;
  std::mt19937 random(20240607);
  int accepted = 0;
  for (int i = 0; i < kMutations; ++i) {
    test::write_bytes(scratch / "x", mutate(bytes, random));
    try {
      use(scratch / "x");
      ++accepted;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()), "");
    } catch (const std::exception& error) {
      ADD_FAILURE() << "mutation " << i << ": " << error.what();
    }
  }
  return accepted;
}

TEST(MutationTest, Safetensors) {
  const test::ScratchDirectory scratch;
  write_safetensors(scratch / "x",
                    {{"a", at::ones({2, 3})}, {"bb", at::ones({4}, at::kBool)}, {"c", at::zeros({0, 7})}},
                    {{"format", "pt"}});
  const int accepted = fuzz(read_file(scratch / "x", 10'000), [](const std::filesystem::path& path) {
    const SafetensorsFile file = SafetensorsFile::open(path);
    for (const std::string& name : file.names()) file.read(name);
  });
  EXPECT_GT(accepted, 10);  // changes in the data do no harm
  EXPECT_LT(accepted, kMutations / 2);
}

// Every getter, whatever the value's type.
void use_value(const GgufFile& file, const std::string& key) {
  const auto attempt = [](const auto& get) {
    try {
      get();
    } catch (const Error&) {
    }
  };
  attempt([&] { file.integer_or(key, 0); });
  attempt([&] { file.text_or(key, ""); });
  attempt([&] { file.texts(key); });
  attempt([&] { file.integers(key); });
  attempt([&] { file.numbers(key); });
}

TEST(MutationTest, Gguf) {
  using test::ByteBuilder;
  const std::string array = ByteBuilder().text("a").u32(9).u32(8).u64(2).text("b").text("c").bytes();
  const std::string numbers = ByteBuilder().text("n").u32(9).u32(5).u64(2).u32(1).u32(2).bytes();
  const std::string bytes =
      test::gguf_bytes({test::gguf_value<std::uint32_t>("general.alignment", 4, 32), array, numbers,
                        test::gguf_text("t", "text")},
                       {test::gguf_tensor({"x", {32, 2}, 3, 0}), test::gguf_tensor({"y", {256}, 14, 64}),
                        test::gguf_tensor({"z", {2}, 0, 288})},
                       296);
  const int accepted = fuzz(bytes, [](const std::filesystem::path& path) {
    const GgufFile file = GgufFile::open(path);
    for (const char* key : {"general.alignment", "a", "n", "t"}) use_value(file, key);
    for (const std::string& name : file.names()) file.read(name);
  });
  EXPECT_GT(accepted, 10);
  EXPECT_LT(accepted, kMutations / 2);
}

// A pickle with every kind of object, so that damage reaches every opcode.
std::string rich_pickle() {
  using namespace test;
  const std::string pair = joined({pickle_number(2), pickle_number(3), "\x86"});
  const std::string strides = joined({pickle_number(3), pickle_number(1), "\x86"});
  const std::string tensor =
      pickle_tensor(pickle_storage("0", pickle_number(6)), pickle_number(0), pair, strides);
  const std::string dtype =
      joined({pickle_name("numpy", "dtype"), pickle_text("f4"), "\x89\x88\x87R(K\x03", pickle_text("<"),
              "NNN", pickle_number(-1), pickle_number(-1), "K\x01tb"});
  const std::string data = joined({pickle_name("_codecs", "encode"), pickle_text("\x01\xc3\xbf\x02\x03"),
                                   pickle_text("latin1"), "\x86R"});
  const std::string array =
      joined({pickle_name("numpy.core.multiarray", "_reconstruct"), pickle_name("numpy", "ndarray"),
              "K\x01\x85", data, "\x87R(K\x01K\x01\x85", dtype, "\x89", data, "tb"});
  const std::string half("G?\xe0\0\0\0\0\0\0", 9);
  return joined({"}q\x01(", pickle_text("t"), tensor, pickle_text("a"), array, pickle_text("l"),
                 "]q\x02(K\x01M\x02\x03\x88Ne", pickle_text("r"), "h\x02", pickle_text("n"), half, "u"});
}

TEST(MutationTest, TheTorchFilesAreWholeBeforeTheyAreDamaged) {
  const test::ScratchDirectory scratch;
  test::write_bytes(scratch / "x", test::torch_archive_bytes(test::whole_pickle(rich_pickle()),
                                                             {{"data/0", std::string(24, 'x')}}));
  const TorchValue value = read_torch_file(scratch / "x");
  EXPECT_EQ(value.find("t")->as<at::Tensor>()->sizes(), (at::IntArrayRef{2, 3}));
  EXPECT_EQ(value.find("a")->as<at::Tensor>()->numel(), 1);
  EXPECT_EQ(value.find("r")->as<TorchValue::List>()->size(), 4u);
  EXPECT_EQ(*value.find("n")->as<double>(), 0.5);
}

TEST(MutationTest, TorchArchive) {
  const std::string bytes = test::torch_archive_bytes(
      test::whole_pickle(rich_pickle()), {{"byteorder", "little"}, {"data/0", std::string(24, 'x')}});
  const int accepted = fuzz(bytes, [](const std::filesystem::path& path) { read_torch_file(path); });
  EXPECT_GT(accepted, 10);
  EXPECT_LT(accepted, kMutations / 2);
}

// Without the archive's checksums every mutation reaches the pickle.
TEST(MutationTest, TorchLegacyFile) {
  const std::string storages = test::ByteBuilder().u64(6).zeros(24).bytes();
  const std::string bytes =
      test::torch_legacy_bytes(rich_pickle(), test::joined({"](", test::pickle_text("0"), "e"}), storages);
  const int accepted = fuzz(bytes, [](const std::filesystem::path& path) { read_torch_file(path); });
  EXPECT_GT(accepted, 10);
  EXPECT_LT(accepted, kMutations / 2);
}

}  // namespace
}  // namespace quiver

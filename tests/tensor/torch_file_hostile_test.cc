#include "tensor/hostile_file.h"
#include "tensor/torch_builder.h"
#include "tensor/torch_file.h"

namespace quiver {
namespace {

using test::joined;
using test::pickle_long;
using test::pickle_name;
using test::pickle_number;
using test::pickle_storage;
using test::pickle_tensor;
using test::pickle_text;

std::string problem(const std::string& bytes) {
  return test::file_problem(bytes, [](const auto& path) { read_torch_file(path); });
}

std::string pickle_problem(const std::string& body, const std::map<std::string, std::string>& records = {}) {
  return problem(test::torch_archive_bytes(test::whole_pickle(body), records));
}

// For a tensor on a storage of 24 bytes, 6 floats.
std::string tensor_problem(const std::string& count, const std::string& offset, const std::string& shape,
                           const std::string& strides) {
  return pickle_problem(pickle_tensor(pickle_storage("0", count), offset, shape, strides),
                        {{"data/0", std::string(24, '\0')}});
}

std::string one(const std::string& number) { return joined({number, "\x85"}); }
std::string number(std::int32_t value) { return pickle_number(value); }

TEST(TorchFileHostileTest, NothingIsCalled) {
  const auto refused = [](const std::string& name) {
    return joined({"the pickle asks for \"", name, "\", which is not allowed"});
  };
  EXPECT_EQ(pickle_problem(joined({pickle_name("os", "system"), pickle_text("touch /tmp/x"), "\x85R"})),
            refused("os.system"));
  EXPECT_EQ(pickle_problem(joined({pickle_name("posix", "system"), ")R"})), refused("posix.system"));
  EXPECT_EQ(pickle_problem(joined({pickle_name("builtins", "eval"), pickle_text("1"), "\x85R"})),
            refused("builtins.eval"));
  EXPECT_EQ(pickle_problem(pickle_name("__builtin__", "getattr")), refused("__builtin__.getattr"));
  EXPECT_EQ(pickle_problem(joined({pickle_name("torch", "load"), ")R"})), refused("torch.load"));
  EXPECT_EQ(pickle_problem(pickle_name("torch._utils", "_rebuild_sparse_tensor")),
            refused("torch._utils._rebuild_sparse_tensor"));
  // A dotted name would reach through an allowed module.
  EXPECT_EQ(pickle_problem(pickle_name("torch", "Size.__class__")), refused("torch.Size.__class__"));
}

TEST(TorchFileHostileTest, ForeignOpcodes) {
  const auto refused = [](const std::string& opcode, int place) {
    return joined({"the pickle has the opcode 0x", opcode, ", which torch.save does not write, at byte ",
                   std::to_string(place), " of the pickle"});
  };
  EXPECT_EQ(pickle_problem(")\x81"), refused("81", 4)) << "NEWOBJ";
  EXPECT_EQ(pickle_problem("(cos\nsystem\no"), "the pickle asks for \"os.system\", which is not allowed");
  EXPECT_EQ(pickle_problem("(ios\nsystem\n"), refused("69", 4)) << "INST";
  EXPECT_EQ(pickle_problem("\x93"), refused("93", 3)) << "STACK_GLOBAL";
  EXPECT_EQ(pickle_problem("\x82\x01"), refused("82", 3)) << "EXT1";
  EXPECT_EQ(pickle_problem("P0\n"), refused("50", 3)) << "PERSID as text";
}

TEST(TorchFileHostileTest, BrokenPickles) {
  EXPECT_EQ(problem(test::torch_archive_bytes("")),
            "the pickle ends within 1 bytes, at byte 0 of the pickle");
  EXPECT_EQ(problem(test::torch_archive_bytes("\x80\x04N.")),
            "not a pickle of protocol 2, at byte 2 of the pickle");
  EXPECT_EQ(pickle_problem(""), "the pickle takes from an empty stack, at byte 3 of the pickle");
  EXPECT_EQ(pickle_problem("NN"), "the pickle ends with unfinished objects, at byte 5 of the pickle");
  EXPECT_EQ(pickle_problem("(N"), "the pickle ends with unfinished objects, at byte 5 of the pickle");
  EXPECT_EQ(pickle_problem("](a"), "the pickle takes from an empty stack, at byte 5 of the pickle");
  EXPECT_EQ(pickle_problem("e"), "the pickle lacks a mark, at byte 3 of the pickle");
  EXPECT_EQ(pickle_problem("NNa"), "the pickle appends to what is no list, at byte 5 of the pickle");
  EXPECT_EQ(pickle_problem("NNNs"), "the pickle sets items of what is no dict, at byte 6 of the pickle");
  EXPECT_EQ(pickle_problem("}(Nu"), "the pickle sets items of what is no dict, at byte 6 of the pickle");
  EXPECT_EQ(pickle_problem("h\x07"), "the pickle recalls what it did not remember, at byte 4 of the pickle");
  EXPECT_EQ(pickle_problem("N)R"), "the pickle calls something that is no function");
  EXPECT_EQ(pickle_problem(joined({pickle_name("torch", "float32"), ")R"})), "the pickle calls \"float32\"");
  EXPECT_EQ(pickle_problem("N}b"), "the pickle sets the state of an object that has none");
  EXPECT_EQ(pickle_problem(joined({"\x8a\x09", std::string(9, '\x7f')})),
            "a whole number of 9 bytes, at byte 13 of the pickle");
  EXPECT_EQ(pickle_problem("X\xff\xff\xff\xff"
                           "abc"),
            "the pickle ends within 4294967295 bytes, at byte 7 of the pickle");
  EXPECT_EQ(pickle_problem(joined({"}(", pickle_text("k"), "N", pickle_text("k"), "Nu"})),
            "the key \"k\" appears twice");
  EXPECT_EQ(pickle_problem(pickle_name("torch", "FloatStorage")),
            "the value \"FloatStorage\" is a class or function");
}

TEST(TorchFileHostileTest, Bombs) {
  // Each list holds the one before it ten times: 10^10 values when written out.
  std::string lists = "(]q\1(NNNNNNNNNNe";
  for (char level = 2; level <= 10; ++level) {
    lists.append("]q").append(1, level).append("(");
    for (int i = 0; i < 10; ++i) lists.append("h").append(1, static_cast<char>(level - 1));
    lists.append("e");
  }
  EXPECT_EQ(pickle_problem(lists.append("t")), "the pickle has more than 1048576 values");
  EXPECT_EQ(pickle_problem("]q\x01h\x01"
                           "a"),
            "objects are nested deeper than 64 levels")
      << "contains itself";
  EXPECT_EQ(pickle_problem(std::string(100'000, ']') + std::string(99'999, 'a')),
            "objects are nested deeper than 64 levels");
  EXPECT_EQ(pickle_problem(joined({"(", std::string(1 << 20, 'N'), "t"})),
            "the pickle has more than 1048576 objects");
  const std::string text = pickle_text(std::string(1 << 20, 'x'));
  std::string texts = joined({"(", text, "q\x01"});
  for (int i = 0; i < 100; ++i) texts += "h\x01";
  EXPECT_EQ(pickle_problem(texts.append("t")), "the texts of the pickle are too long together");
  std::string recalls = "(Nq\x01";
  for (int i = 0; i < (4 << 20) + 1; ++i) recalls += "h\x01";
  EXPECT_EQ(pickle_problem(recalls.append("t")),
            "the pickle recalls more than 4194304, at byte 8388616 of the pickle");
}

TEST(TorchFileHostileTest, TensorsThatDoNotFitTheirStorage) {
  EXPECT_EQ(tensor_problem(number(6), number(0), one(number(6)), one(number(1))), "");
  EXPECT_EQ(tensor_problem(number(6), number(0), one(number(7)), one(number(1))),
            "a tensor of shape [7] with strides [1] at offset 0 reaches out of its storage of 6 values");
  EXPECT_EQ(tensor_problem(number(6), number(1), one(number(6)), one(number(1))),
            "a tensor of shape [6] with strides [1] at offset 1 reaches out of its storage of 6 values");
  EXPECT_EQ(tensor_problem(number(6), number(-1), one(number(2)), one(number(1))),
            "a tensor of shape [2] with strides [1] at offset -1 reaches out of its storage of 6 values");
  EXPECT_EQ(tensor_problem(number(6), number(0), one(number(2)), one(number(6))),
            "a tensor of shape [2] with strides [6] at offset 0 reaches out of its storage of 6 values");
  EXPECT_EQ(tensor_problem(number(6), number(5), one(number(2)), one(number(-1))),
            "a tensor of shape [2] with strides [-1] at offset 5 reaches out of its storage of 6 values");
  EXPECT_EQ(
      tensor_problem(number(6), number(0), one(number(3)), one(pickle_long(1LL << 62))),
      "a tensor of shape [3] with strides [4611686018427387904] at offset 0 reaches out of its storage of "
      "6 values");
  EXPECT_EQ(
      tensor_problem(number(6), pickle_long(INT64_MAX), one(number(2)), one(number(1))),
      "a tensor of shape [2] with strides [1] at offset 9223372036854775807 reaches out of its storage of 6 "
      "values");
  EXPECT_EQ(tensor_problem(number(6), number(0), one(number(2)), ")"),
            "a tensor of shape [2] with strides [] at offset 0 has not one stride a dimension");
  EXPECT_EQ(tensor_problem(number(6), number(0), one(number(-2)), one(number(1))),
            "a tensor has the impossible shape [-2]");
  EXPECT_EQ(
      tensor_problem(number(6), number(0), joined({pickle_long(1LL << 40), pickle_long(1LL << 40), "\x86"}),
                     joined({number(0), number(0), "\x86"})),
      "a tensor has the impossible shape [1099511627776, 1099511627776]");
  // Stride 0 repeats one number: a terabyte when it is copied.
  EXPECT_EQ(tensor_problem(number(6), number(0), one(pickle_long(1LL << 38)), one(number(0))),
            "a tensor of shape [274877906944] is too large for the file");
  EXPECT_EQ(tensor_problem(number(6), number(0), one("N"), one(number(1))),
            "the shape of a tensor is not a whole number");
  EXPECT_EQ(tensor_problem(number(6), number(0), joined({"(", std::string(65, 'N'), "t"}), one(number(1))),
            "the shape of a tensor has more than 64 entries");
}

TEST(TorchFileHostileTest, StoragesThatDoNotFitTheFile) {
  EXPECT_EQ(tensor_problem(number(7), number(0), one(number(6)), one(number(1))),
            "the storage \"0\" has 24 bytes, too few for 7 values");
  EXPECT_EQ(tensor_problem(pickle_long(INT64_MAX), number(0), one(number(6)), one(number(1))),
            "the storage \"0\" has 24 bytes, too few for 9223372036854775807 values");
  EXPECT_EQ(tensor_problem(number(-1), number(0), one(number(6)), one(number(1))),
            "the storage \"0\" has a negative size");
  const std::string missing =
      pickle_tensor(pickle_storage("1", number(6)), number(0), one(number(6)), one(number(1)));
  EXPECT_EQ(pickle_problem(missing, {{"data/0", std::string(24, '\0')}}), "the storage \"1\" is missing");
  const std::string outside =
      pickle_tensor(pickle_storage("../version", number(0)), number(0), one(number(1)), one(number(1)));
  EXPECT_EQ(pickle_problem(outside), "the storage \"../version\" is missing");
  EXPECT_EQ(pickle_problem(pickle_storage("0", number(6)), {{"data/0", std::string(24, '\0')}}),
            "the storage \"0\" stands alone, without a tensor");
  EXPECT_EQ(pickle_problem(joined({pickle_text("storage"), "Q"})), "a persistent id is not a tuple or list");
  EXPECT_EQ(pickle_problem(joined({"(", pickle_text("module"), "NNNNtQ"})), "a persistent id is no storage");
  const std::string truth =
      pickle_tensor(pickle_storage("0", number(1), "BoolStorage"), number(0), one(number(1)), one(number(1)));
  EXPECT_EQ(pickle_problem(truth, {{"data/0", "\2"}}), "a boolean tensor has a byte other than 0 and 1");
}

TEST(TorchFileHostileTest, LegacyStorages) {
  const std::string tensor =
      pickle_tensor(pickle_storage("0", number(6)), number(0), one(number(6)), one(number(1)));
  const auto legacy = [&](const std::string& keys, const std::string& storages) {
    return problem(test::torch_legacy_bytes(tensor, keys, storages));
  };
  const std::string keys = joined({"](", pickle_text("0"), "e"});
  EXPECT_EQ(legacy(keys, test::ByteBuilder().u64(6).zeros(24).bytes()), "");
  EXPECT_EQ(legacy(keys, test::ByteBuilder().u64(6).zeros(23).bytes()),
            "the storage \"0\" of 6 values does not fit in the file");
  EXPECT_EQ(legacy(keys, test::ByteBuilder().u64(~0ull / 4 + 7).zeros(24).bytes()),
            "the storage \"0\" of 4611686018427387910 values does not fit in the file");
  EXPECT_EQ(legacy(keys, "1234567"), "the storage \"0\" is missing");
  EXPECT_EQ(legacy("]", ""), "the storage \"0\" is missing");
  EXPECT_EQ(legacy(joined({"](", pickle_text("1"), "e"}), ""), "a storage key belongs to no tensor");
  EXPECT_EQ(legacy("N", ""), "the storage keys are no list");
}

TEST(TorchFileHostileTest, EveryTruncationIsRefused) {
  const std::string tensor =
      pickle_tensor(pickle_storage("0", number(6)), number(0), one(number(6)), one(number(1)));
  const std::string archive =
      test::torch_archive_bytes(test::whole_pickle(tensor), {{"data/0", std::string(24, '\0')}});
  const std::string legacy = test::torch_legacy_bytes(tensor, joined({"](", pickle_text("0"), "e"}),
                                                      test::ByteBuilder().u64(6).zeros(24).bytes());
  for (const std::string& bytes : {archive, legacy}) {
    EXPECT_EQ(problem(bytes), "");
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      EXPECT_NE(problem(bytes.substr(0, length)), "") << length;
    }
  }
}

TEST(TorchFileHostileTest, Archives) {
  EXPECT_EQ(problem(""), "not a file of torch.save: neither a zip archive nor its older format");
  EXPECT_EQ(pickle_problem("N", {{"byteorder", "big"}}),
            "the byte order is \"big\"; only little-endian files can be read");
  EXPECT_EQ(pickle_problem("N", {{"constants.pkl", "x"}}), "a TorchScript program, not values of torch.save");
  EXPECT_TRUE(
      problem(joined({"PK\3\4", std::string(100, '\0')})).starts_with("the zip archive cannot be read: "));
}

TEST(TorchFileHostileTest, ArchivesBuiltByHand) {
  const std::string pickle = test::whole_pickle("N");
  EXPECT_EQ(problem(test::zip_bytes({{"x/data.pkl", pickle}, {"x/version", "3"}})), "");
  for (const char* version : {"99999999999999999999999", "three", "", "-1", "9999"}) {
    EXPECT_TRUE(problem(test::zip_bytes({{"x/data.pkl", pickle}, {"x/version", version}}))
                    .starts_with("the zip archive cannot be read: "))
        << version;
  }
  EXPECT_EQ(problem(test::zip_bytes({{"x/version", "3"}})),
            "the zip archive has no data.pkl: not a file of torch.save");
  EXPECT_TRUE(problem(test::zip_bytes({{"data.pkl", pickle}, {"version", "3"}}))
                  .starts_with("the zip archive cannot be read: "))
      << "records without a folder";
  // Gigabytes by the directory's word, and bytes that are not what they are said to be.
  EXPECT_NE(problem(test::zip_bytes({{"x/data.pkl", pickle}, {"x/version", "3"}}, {.size = 0xfffffff0})), "");
  EXPECT_NE(problem(test::zip_bytes({{"x/data.pkl", pickle}, {"x/version", "3"}}, {.method = 8})), "");
}

}  // namespace
}  // namespace quiver

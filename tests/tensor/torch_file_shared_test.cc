// Files of torch.save from the tests of another reader. The summaries were made with torch 2.15.0 (torch.load
// with weights_only=True): element type, shape and sum of every tensor.
#include <cstdio>
#include <limits>

#include "core/strings.h"
#include "support/test_support.h"
#include "tensor/torch_file.h"

namespace quiver {
namespace {

struct KnownFile {
  const char* name;
  const char* summary;
};

const KnownFile kFiles[] = {
    {"batch_norm_batch_norm2d",
     "{norm1.weight:float32[5]=5 norm1.bias:float32[5]=0 norm1.running_mean:float32[5]=0.25 "
     "norm1.running_var:float32[5]=4.5 norm1.num_batches_tracked:int64[]=1}"},
    {"boolean_boolean", "{buffer:bool[3]=2}"},
    {"buffer_buffer", "{buffer:float32[3,3]=9}"},
    {"complex_nested_complex_nested",
     "{conv_blocks.0.conv.weight:float32[4,2,3,2]=-0.5708 conv_blocks.0.conv.bias:float32[4]=0.4006 "
     "conv_blocks.0.norm.weight:float32[4]=4 conv_blocks.0.norm.bias:float32[4]=0 "
     "conv_blocks.0.norm.running_mean:float32[4]=-0.01008 conv_blocks.0.norm.running_var:float32[4]=3.24 "
     "conv_blocks.0.norm.num_batches_tracked:int64[]=2 conv_blocks.1.conv.weight:float32[6,4,3,2]=-0.9346 "
     "conv_blocks.1.conv.bias:float32[6]=-0.07566 conv_blocks.1.norm.weight:float32[6]=6 "
     "conv_blocks.1.norm.bias:float32[6]=0 conv_blocks.1.norm.running_mean:float32[6]=-0.01438 "
     "conv_blocks.1.norm.running_var:float32[6]=4.86 conv_blocks.1.norm.num_batches_tracked:int64[]=2 "
     "norm1.weight:float32[6]=6 norm1.bias:float32[6]=0 norm1.running_mean:float32[6]=0 "
     "norm1.running_var:float32[6]=4.86 norm1.num_batches_tracked:int64[]=2 "
     "fc1.weight:float32[12,120]=-1.625 fc1.bias:float32[12]=-0.1095 fc2.weight:float32[10,12]=-2.406 "
     "fc2.bias:float32[10]=-0.6046}"},
    {"config_weights_with_config",
     "{my_model:{fc1.weight:float32[3,2]=-1.046 fc1.bias:float32[3]=-0.7422 fc2.weight:float32[4,3]=0.06552} "
     "my_config:{n_head:2 n_layer:3 d_model:512 some_float:0.1 some_int:1 some_bool:true some_str:'hello' "
     "some_list_int:(1 2 3) some_list_str:('hello' 'world') some_list_float:(0.1 0.2 0.3) "
     "some_dict:{some_key:'some_value'}}}"},
    {"conv1d_conv1d",
     "{conv1.weight:float32[2,2,2]=0.1553 conv1.bias:float32[2]=0.008286 "
     "conv2.weight:float32[2,2,2]=0.1401}"},
    {"conv2d_conv2d",
     "{conv1.weight:float32[2,2,2,2]=0.1649 conv1.bias:float32[2]=0.04983 "
     "conv2.weight:float32[2,2,2,2]=0.3876}"},
    {"conv_transpose1d_conv_transpose1d",
     "{conv1.weight:float32[2,2,2]=0.1553 conv1.bias:float32[2]=0.008286 "
     "conv2.weight:float32[2,2,2]=0.1401}"},
    {"conv_transpose2d_conv_transpose2d",
     "{conv1.weight:float32[2,2,2,2]=0.1649 conv1.bias:float32[2]=0.04983 "
     "conv2.weight:float32[2,2,2,2]=0.3876}"},
    {"debug_test", "{test:float32[4]=10}"},
    {"embedding_embedding", "{embed.weight:float32[10,3]=-4.382}"},
    {"enum_module_enum_depthwise_false", "{conv.weight:float32[2,2,3,3]=0.0638 conv.bias:float32[2]=0.1677}"},
    {"enum_module_enum_depthwise_true",
     "{conv.dconv.weight:float32[2,1,3,3]=-0.2314 conv.dconv.bias:float32[2]=0.3374 "
     "conv.pconv.weight:float32[2,2,1,1]=1.387 conv.pconv.bias:float32[2]=0.2013}"},
    {"group_norm_group_norm", "{norm1.weight:float32[6]=6 norm1.bias:float32[6]=0}"},
    {"integer_integer", "{buffer:int64[3]=6}"},
    {"key_remap_chained_key_remap",
     "{conv.weight:float32[6,3,3,3]=-1.163 bn.weight:float32[6]=6 bn.bias:float32[6]=0 "
     "bn.running_mean:float32[6]=-0.05166 bn.running_var:float32[6]=5.42 bn.num_batches_tracked:int64[]=1 "
     "layer.0.block.0.weight:float32[6,6,1,1]=0.07493 layer.0.block.1.weight:float32[6]=6 "
     "layer.0.block.1.bias:float32[6]=0 layer.0.block.1.running_mean:float32[6]=3.912e-09 "
     "layer.0.block.1.running_var:float32[6]=5.596 layer.0.block.1.num_batches_tracked:int64[]=1 "
     "layer.1.block.0.weight:float32[6,6,1,1]=-0.6273 layer.1.block.1.weight:float32[6]=6 "
     "layer.1.block.1.bias:float32[6]=0 layer.1.block.1.running_mean:float32[6]=-1.118e-09 "
     "layer.1.block.1.running_var:float32[6]=5.733 layer.1.block.1.num_batches_tracked:int64[]=1}"},
    {"key_remap_key_remap",
     "{conv.conv1.weight:float32[2,2,2,2]=0.1649 conv.conv1.bias:float32[2]=0.04983 "
     "conv.conv2.weight:float32[2,2,2,2]=0.3876}"},
    {"layer_norm_layer_norm", "{norm1.weight:float32[2]=2 norm1.bias:float32[2]=0}"},
    {"linear_linear",
     "{fc1.weight:float32[3,2]=0.005425 fc1.bias:float32[3]=0.3126 fc2.weight:float32[4,3]=0.5605}"},
    {"linear_linear_with_bias", "{fc1.weight:float32[3,2]=-0.6218 fc1.bias:float32[3]=0.1315}"},
    {"missing_module_field_missing_module_field",
     "{conv1.weight:float32[2,2,2,2]=0.1649 conv1.bias:float32[2]=0.04983}"},
    {"mnist",
     "{conv1.weight:float32[8,1,3,3]=-0.2826 conv1.bias:float32[8]=-0.009628 "
     "conv2.weight:float32[16,8,3,3]=-8.689 conv2.bias:float32[16]=-0.05769 "
     "conv3.weight:float32[24,16,3,3]=-55.33 conv3.bias:float32[24]=0.3169 norm1.weight:float32[24]=23.78 "
     "norm1.bias:float32[24]=0.9243 norm1.running_mean:float32[24]=1.211 "
     "norm1.running_var:float32[24]=0.4634 norm1.num_batches_tracked:int64[]=3752 "
     "fc1.weight:float32[32,11616]=-510.4 fc1.bias:float32[32]=-0.1835 fc2.weight:float32[10,32]=14.22 "
     "fc2.bias:float32[10]=0.4372 norm2.weight:float32[10]=34.68 norm2.bias:float32[10]=-0.9026 "
     "norm2.running_mean:float32[10]=59.75 norm2.running_var:float32[10]=708.1 "
     "norm2.num_batches_tracked:int64[]=3752}"},
    {"non_contiguous_indexes_non_contiguous_indexes",
     "{fc.0.weight:float32[2,2,3,3]=0.0638 fc.0.bias:float32[2]=0.1677 fc.2.weight:float32[2,2,3,3]=0.4206 "
     "fc.2.bias:float32[2]=0.1292 fc.4.weight:float32[2,2,3,3]=0.2346 fc.4.bias:float32[2]=0.06709 "
     "fc.6.weight:float32[2,2,3,3]=0.9583 fc.6.bias:float32[2]=0.1505 fc.8.weight:float32[2,2,3,3]=-0.786 "
     "fc.8.bias:float32[2]=-0.1355}"},
    {"reader_test_data_bfloat16", "{tensor:bfloat16[3]=2.5}"},
    {"reader_test_data_bool", "{tensor:bool[5]=3}"},
    {"reader_test_data_buffers", "{buffer1:int32[3]=6 buffer2:bool[2]=1}"},
    {"reader_test_data_checkpoint",
     "{model_state_dict:{fc1.weight:float32[10,5]=-4.602 fc1.bias:float32[10]=-0.5722 "
     "fc2.weight:float32[3,10]=1.437 fc2.bias:float32[3]=1.497} "
     "optimizer_state_dict:{state:{0:{momentum_buffer:float32[10,5]=-2.563}}} epoch:42 loss:0.123}"},
    {"reader_test_data_complex_structure",
     "{metadata:{version:1 name:'test_model'} state:{encoder:{layer_0:{weight:float32[4,3]=1.959 "
     "bias:float32[4]=4.276} layer_1:{weight:float32[2,4]=1.188 bias:float32[2]=2.26}} "
     "decoder:{weight:float32[3,2]=1.306 bias:float32[3]=1.156}} config:{hidden_size:4 num_layers:2}}"},
    {"reader_test_data_empty", "{tensor:float32[0]=0}"},
    {"reader_test_data_extreme_values", "{tensor:float32[4]=0}"},
    {"reader_test_data_float16", "{tensor:float16[3]=2.375}"},
    {"reader_test_data_float32", "{tensor:float32[4]=-0.2}"},
    {"reader_test_data_float64", "{tensor:float64[3]=6.6}"},
    {"reader_test_data_int16", "{tensor:int16[3]=2000}"},
    {"reader_test_data_int32", "{tensor:int32[3]=0}"},
    {"reader_test_data_int64", "{tensor:int64[4]=200}"},
    {"reader_test_data_int8", "{tensor:int8[4]=49}"},
    {"reader_test_data_large_shape", "{tensor:float32[100,100]=6}"},
    {"reader_test_data_legacy_shared_storage",
     "{view1:float32[10]=2.175 view2:float32[20]=-0.007533 view3:float32[10]=0.3302}"},
    {"reader_test_data_legacy_uncloned_views", "{tensor1:float32[10]=145 tensor2:float32[10]=545}"},
    {"reader_test_data_legacy_with_offsets",
     "{tensor1:float32[10]=10.45 tensor2:float32[5]=11 tensor3:float32[5]=16}"},
    {"reader_test_data_mixed_types",
     "{float32:float32[2]=3 int64:int64[2]=300 bool:bool[2]=1 float64:float64[2]=3.3}"},
    {"reader_test_data_nested_dict",
     "{layer1:{weight:float32[2,3]=1.545 bias:float32[2]=0.07229} layer2:{weight:float32[4,2]=-4.628 "
     "bias:float32[4]=-0.7952}}"},
    {"reader_test_data_parameter", "{param:float32[3,3]=-2.158}"},
    {"reader_test_data_scalar", "{tensor:float32[]=42}"},
    {"reader_test_data_simple_legacy",
     "{weight:float32[2,3]=-1.923 bias:float32[2]=2 running_mean:float32[2]=0}"},
    {"reader_test_data_special_values", "{tensor:float32[5]=nan}"},
    {"reader_test_data_state_dict",
     "{weight:float32[3,4]=-1.654 bias:float32[3]=-1.7 running_mean:float32[3]=0 running_var:float32[3]=3}"},
    {"reader_test_data_tensor_2d", "{tensor:float32[3,2]=21}"},
    {"reader_test_data_tensor_3d", "{tensor:float32[2,3,4]=-58.07}"},
    {"reader_test_data_tensor_4d", "{tensor:float32[2,3,2,2]=4.865}"},
    {"reader_test_data_uint8", "{tensor:uint8[4]=425}"},
    {"store_test_data_model_without_enum_variants",
     "{feature.weight:float32[64,3]=0.8821 feature.bias:float32[64]=0.7318 "
     "classifier.weight:float32[10,64]=-0.844 classifier.bias:float32[10]=-0.3044}"},
    {"test_int", "{test:int64[3]=6}"},
    {"top_level_key_top_level_key",
     "{my_state_dict:{conv1.weight:float32[2,2,2,2]=0.1649 conv1.bias:float32[2]=0.04983}}"},
};

std::string number_text(const char* format, double number) {
  char text[32];
  std::snprintf(text, sizeof text, format,
                number == number ? number : std::numeric_limits<double>::quiet_NaN());
  return text;
}

std::string type_text(at::ScalarType type) {
  switch (type) {
    case at::kBool:
      return "bool";
    case at::kByte:
      return "uint8";
    case at::kChar:
      return "int8";
    case at::kShort:
      return "int16";
    case at::kInt:
      return "int32";
    case at::kLong:
      return "int64";
    case at::kHalf:
      return "float16";
    case at::kBFloat16:
      return "bfloat16";
    case at::kFloat:
      return "float32";
    case at::kDouble:
      return "float64";
    default:
      return at::toString(type);
  }
}

std::string key_text(const TorchValue& key) {
  const auto* text = key.as<std::string>();
  return text != nullptr ? *text : std::to_string(*key.as<std::int64_t>());
}

std::string summary(const TorchValue& value) {
  std::vector<std::string> parts;
  if (const auto* tensor = value.as<at::Tensor>()) {
    for (const std::int64_t size : tensor->sizes()) parts.push_back(std::to_string(size));
    std::string text = type_text(tensor->scalar_type());
    text.append("[").append(join(parts, ",")).append("]=");
    return text.append(number_text("%.4g", tensor->to(at::kDouble).sum().item<double>()));
  }
  if (const auto* entries = value.as<TorchValue::Dict>()) {
    for (const auto& [key, item] : *entries) parts.push_back(key_text(key).append(":").append(summary(item)));
    return std::string("{").append(join(parts, " ")).append("}");
  }
  if (const auto* items = value.as<TorchValue::List>()) {
    for (const TorchValue& item : *items) parts.push_back(summary(item));
    return std::string("(").append(join(parts, " ")).append(")");
  }
  if (const auto* truth = value.as<bool>()) return *truth ? "true" : "false";
  if (const auto* whole = value.as<std::int64_t>()) return std::to_string(*whole);
  if (const auto* number = value.as<double>()) return number_text("%.6g", *number);
  if (const auto* string = value.as<std::string>()) return std::string("'").append(*string).append("'");
  return "None";
}

TEST(TorchFileSharedTest, EveryFileGivesWhatTorchGives) {
  QUIVER_REQUIRE_SHARED(folder, "torch-pt");
  for (const KnownFile& known : kFiles) {
    EXPECT_EQ(summary(read_torch_file(folder / (std::string(known.name) + ".pt"))), known.summary)
        << known.name;
  }
  std::size_t there = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    there += entry.path().extension() == ".pt";
  EXPECT_EQ(there, std::size(kFiles) + 1) << "one file is broken";
}

TEST(TorchFileSharedTest, TheBrokenFileIsRefused) {
  QUIVER_REQUIRE_SHARED(folder, "torch-pt");
  const std::string message =
      test::error_message([&] { read_torch_file(folder / "reader_test_data_broken.pt"); });
  EXPECT_NE(message.find("not a file of torch.save"), std::string::npos) << message;
}

}  // namespace
}  // namespace quiver

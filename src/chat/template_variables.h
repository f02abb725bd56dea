#pragma once

#include "chat/jinja_program.h"
#include "chat/token_marks.h"
#include "quiver/chat_template.h"

namespace quiver {

// What is added to the last message that the model is to continue, to find its end again in the rendered
// text.
inline constexpr char kContinuationTag[] = "CONTINUE_FINAL_MESSAGE_TAG ";

// The variables that apply_chat_template of transformers 5.23 gives a template. All texts of the request but
// well-known roles are marked as input of the engine, and go through `marks` if it is there. Throws
// Error(kInvalidArgument) naming what is not of the right type.
TemplateVariables template_variables(const ChatRequest& request, const Tokenizer& tokenizer,
                                     TokenMarks* marks);

}  // namespace quiver

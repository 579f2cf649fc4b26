#include "server/openai/tools/tool_form.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "grammar/source/json_schema.h"
#include "server/openai/tools/call_syntax.h"
#include "text/tokenizer.h"

namespace quire {
namespace {

// A mark that this vocabulary has as a control token, which no text spells.
struct ControlMark {
  std::string text;
  TokenId token;
};

// All that the parts of a form depend on, copied: a form outlives its request.
struct Plan {
  std::vector<Tool> tools;
  CallSyntax syntax;
  ReasoningSyntax reasoning;
  bool reasons = false;  // reasoning may come first
  bool starts_in_reasoning = false;
  bool required = false;
  uint32_t most = 1;  // calls
  std::vector<ControlMark> controls;
};

std::vector<ControlMark> ControlMarks(ReplyFormat format, const Tokenizer& tokenizer) {
  std::vector<ControlMark> marks;
  for (const std::string_view mark : ReplyMarks(format, true)) {
    const auto tokens = tokenizer.Encode(mark, {.add_special = false, .parse_special = true});
    if (tokens.size() != 1 || !tokenizer.IsControl(tokens[0])) continue;
    marks.push_back({std::string(mark), tokens[0]});
  }
  return marks;
}

bool IsControl(const Plan& plan, std::string_view mark) {
  return std::ranges::find(plan.controls, mark, &ControlMark::text) != plan.controls.end();
}

// A text in which marks are control tokens where the vocabulary has them as such.
Part Text(Parts& parts, const Plan& plan, std::string_view text) {
  std::vector<Part> sequence;
  while (!text.empty()) {
    size_t at = text.size();
    const ControlMark* first = nullptr;
    for (const ControlMark& mark : plan.controls) {
      const size_t found = text.find(mark.text);
      if (found < at) {
        at = found;
        first = &mark;
      }
    }
    if (at > 0) sequence.push_back(parts.Literal(text.substr(0, at)));
    if (first == nullptr) break;
    sequence.push_back(parts.ControlToken(first->token));
    text.remove_prefix(at + first->text.size());
  }
  return parts.Sequence(sequence);
}

Result<Part> Arguments(Parts& parts, const Plan& plan, const Tool& tool) {
  if (!plan.required && !tool.strict) return AddJsonObject(parts);
  if (tool.parameters.is_null()) return parts.Literal("{}");
  Json schema = tool.parameters;
  if (!schema.contains("type") && !schema.contains("$ref")) schema["type"] = "object";
  return AddJsonSchema(parts, schema,
                       "tools[" + std::to_string(tool.index) + "].function.parameters");
}

// NAME after_name ARGUMENTS after_arguments, of any of the tools.
Result<Part> NamedCall(Parts& parts, const Plan& plan) {
  std::vector<Part> calls;
  for (const Tool& tool : plan.tools) {
    QUIRE_TRY(const Part arguments, Arguments(parts, plan, tool));
    calls.push_back(
        parts.Sequence({parts.Literal(tool.name), Text(parts, plan, plan.syntax.after_name),
                        arguments, Text(parts, plan, plan.syntax.after_arguments)}));
  }
  return parts.Choice(calls);
}

// All calls of an answer, without the first `skipped` bytes of their text.
Result<Part> Calls(Parts& parts, const Plan& plan, size_t skipped) {
  const CallSyntax& syntax = plan.syntax;
  QUIRE_TRY(const Part call, NamedCall(parts, plan));
  const std::string begin = std::string(syntax.open) + std::string(syntax.before_name);
  const std::string again = std::string(syntax.between) + std::string(syntax.before_name);
  std::vector<Part> sequence = {Text(parts, plan, std::string_view(begin).substr(skipped)), call};
  if (plan.most > 1) {
    sequence.push_back(
        parts.Repeat(parts.Sequence({Text(parts, plan, again), call}), 0, plan.most - 1));
  }
  sequence.push_back(Text(parts, plan, syntax.close));
  return parts.Sequence(sequence);
}

// `body`, with the reasoning before it that this prompt or this model calls for. Reasoning that
// ends with a control token cannot be free text up to it: it is left out.
Part BehindReasoning(Parts& parts, const Plan& plan, Part body) {
  const ReasoningSyntax& reasoning = plan.reasoning;
  const bool control = IsControl(plan, reasoning.close);
  const Part behind = reasoning.open == "<think>" ? parts.Repeat(parts.Literal("\n"), 0, 2)
                                                  : Text(parts, plan, reasoning.behind);
  const Part end =
      control ? Text(parts, plan, reasoning.close) : parts.TextThrough(reasoning.close);
  if (plan.starts_in_reasoning) return parts.Sequence({end, behind, body});
  if (!plan.reasons || control) return body;
  return parts.Choice(
      {body, parts.Sequence({Text(parts, plan, reasoning.open), end, behind, body})});
}

// Free text, in which each mark begins calls.
Result<Part> Triggered(Parts& parts, const Plan& plan) {
  const std::string_view mark = plan.syntax.mark;
  QUIRE_TRY(const Part calls, Calls(parts, plan, mark.size()));
  const Part rule = parts.NewRule("answer with calls");
  const Part more = plan.most > 1 ? rule : parts.TextWithout(mark);
  parts.Define(rule, parts.Choice({parts.TextWithout(mark),
                                   parts.Sequence({parts.TextThrough(mark), calls, more})}));
  return rule;
}

std::string Fingerprint(const Plan& plan) {
  std::string text = "tools\n";
  for (const std::string_view piece :
       {plan.syntax.open, plan.syntax.before_name, plan.syntax.after_name,
        plan.syntax.after_arguments, plan.syntax.between, plan.syntax.close}) {
    text.append(piece).push_back('\0');
  }
  text += std::to_string(plan.most);
  for (const bool flag : {plan.reasons, plan.starts_in_reasoning, plan.required}) {
    text += flag ? 'y' : 'n';
  }
  for (const Tool& tool : plan.tools) {
    text.append("\n").append(tool.name).append(tool.strict ? " strict " : " ");
    text += tool.parameters.dump();
  }
  return text;
}

Plan MakePlan(const ToolUse& use, const ToolFormContext& context) {
  Plan plan;
  plan.tools = use.tools;
  plan.syntax = CallSyntaxOf(context.format, context.chat_template);
  plan.reasoning = ReasoningSyntaxOf(context.format);
  plan.starts_in_reasoning = context.starts_in_reasoning;
  plan.reasons = context.chat_template.find(plan.reasoning.open) != std::string_view::npos ||
                 context.format == ReplyFormat::kHarmony;
  plan.required = use.choice == ToolUse::Choice::kRequired;
  const bool several = use.parallel && plan.syntax.several && !use.by_name;
  plan.most = several ? kMaxRequiredCalls : 1;
  plan.controls = ControlMarks(context.format, context.tokenizer);
  return plan;
}

}  // namespace

Result<std::optional<StructuredForm>> ToolForm(const ToolUse& use, const ToolFormContext& context,
                                               std::optional<StructuredForm> wished) {
  if (use.choice == ToolUse::Choice::kNone) return wished;
  if (context.format == ReplyFormat::kNone) {
    if (use.choice == ToolUse::Choice::kAuto) return wished;
    return Refuse(ErrorCode::kUnsupported,
                  "'tool_choice' needs a format to write calls in; this server runs with "
                  "--tool-parser none",
                  "tool_choice");
  }
  Plan plan = MakePlan(use, context);
  const bool of_text = wished && wished->param.starts_with("response_format");
  if (plan.required) {
    if (wished && !of_text) {
      return Refuse(ErrorCode::kInvalidArgument,
                    "'" + wished->param +
                        "' says what the whole answer must be, but 'tool_choice' " +
                        "asks for a call: use one, or 'response_format'",
                    wished->param);
    }
    std::string text = Fingerprint(plan);
    return StructuredForm{"tools", std::move(text), [plan = std::move(plan)](Parts& parts) {
                            auto calls = Calls(parts, plan, 0);
                            if (!calls) return calls;
                            return Result<Part>(BehindReasoning(parts, plan, *calls));
                          }};
  }
  if (of_text) {
    // The client's form is one of what it says; what it calls has one of its own.
    std::string text = "either\n" + Fingerprint(plan) + "\n" + wished->text;
    return StructuredForm{
        wished->param, std::move(text), [plan = std::move(plan), own = wished->make](Parts& parts) {
          auto calls = Calls(parts, plan, 0);
          auto other = own(parts);
          if (!calls || !other) return calls ? other : calls;
          return Result<Part>(BehindReasoning(parts, plan, parts.Choice({*calls, *other})));
        }};
  }
  const bool strict = std::ranges::any_of(plan.tools, &Tool::strict);
  if (wished || !strict || plan.syntax.mark.empty() || IsControl(plan, plan.syntax.mark)) {
    return wished;
  }
  std::string text = "triggered\n" + Fingerprint(plan);
  return StructuredForm{"tools", std::move(text),
                        [plan = std::move(plan)](Parts& parts) { return Triggered(parts, plan); }};
}

}  // namespace quire

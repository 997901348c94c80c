"""Stand-ins for models: each makes its calls in one turn, and then repeats the answers.

They import the frameworks when they are made, since that takes seconds.
"""

from typing import Any

Payment = dict[str, Any]
TOOL = "pay"


def call_id(number: int) -> str:
    return f"call-{number}"


def of_langchain(payments: list[Payment]) -> Any:  # noqa: ANN401 - a class of the framework
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, BaseMessage, ToolCall, ToolMessage
    from langchain_core.outputs import ChatGeneration, ChatResult

    class Model(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "stand-in"

        def bind_tools(self, *_: Any, **__: Any) -> "Model":  # noqa: ANN401 - not used
            return self

        def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:  # noqa: ANN401 - not used
            told = [message.text for message in messages if isinstance(message, ToolMessage)]
            calls = [
                ToolCall(name=TOOL, args=payment, id=call_id(number))
                for number, payment in enumerate(payments)
            ]
            message = AIMessage("\n".join(told)) if told else AIMessage("", tool_calls=calls)
            return ChatResult(generations=[ChatGeneration(message=message)])

    return Model()


def of_pydantic_ai(payments: list[Payment]) -> Any:  # noqa: ANN401 - a class of the framework
    from pydantic_ai.messages import (
        ModelMessage,
        ModelResponse,
        TextPart,
        ToolCallPart,
        ToolReturnPart,
    )
    from pydantic_ai.models.function import AgentInfo, FunctionModel

    def answer(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        parts = [part for message in messages for part in message.parts]
        told = [str(part.content) for part in parts if isinstance(part, ToolReturnPart)]
        if told:
            return ModelResponse([TextPart("\n".join(told))])
        return ModelResponse(
            [ToolCallPart(TOOL, payment, call_id(n)) for n, payment in enumerate(payments)]
        )

    return FunctionModel(answer)


def of_openai_agents(payments: list[Payment]) -> Any:  # noqa: ANN401 - a class of the framework
    import json

    from agents import Model, ModelResponse, Usage
    from openai.types.responses import (
        ResponseFunctionToolCall,
        ResponseOutputMessage,
        ResponseOutputText,
    )

    class StandIn(Model):
        async def get_response(self, *_: Any, **given: Any) -> ModelResponse:  # noqa: ANN401 - of the framework
            items = given["input"] if isinstance(given["input"], list) else []
            told = [str(item["output"]) for item in items if "output" in item]
            output: list[Any] = [
                ResponseFunctionToolCall(
                    type="function_call",
                    call_id=call_id(number),
                    name=TOOL,
                    arguments=json.dumps(payment),
                )
                for number, payment in enumerate(payments)
            ]
            if told:
                text = ResponseOutputText(type="output_text", text="\n".join(told), annotations=[])
                output = [
                    ResponseOutputMessage(
                        id="m", type="message", role="assistant", status="completed", content=[text]
                    )
                ]
            return ModelResponse(output=output, usage=Usage(), response_id=None)

        def stream_response(self, *_: Any, **__: Any) -> Any:  # noqa: ANN401 - not used
            raise NotImplementedError

    return StandIn()


MODELS = {
    "langchain": of_langchain,
    "pydantic_ai": of_pydantic_ai,
    "openai_agents": of_openai_agents,
}

"""Prints what `sam local invoke` would mount and pass on; run by the interpreter that SAM has, which is not ours.

Arguments: the template, the file of variables. One JSON object: logical id -> code, layers, runtime, variables.
"""

import json
import sys
from pathlib import Path
from typing import Any


def main(template: str, variables: str) -> dict[str, Any]:
    """SAM's own classes read both, as its command would; nothing is started."""
    from samcli.commands.local.lib.local_lambda import LocalLambdaRunner
    from samcli.lib.providers.sam_function_provider import SamFunctionProvider
    from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider

    stacks, _ = SamLocalStackProvider.get_stacks(template)
    provider = SamFunctionProvider(stacks)
    given = json.loads(Path(variables).read_text(encoding="utf-8"))
    runner = LocalLambdaRunner(None, provider, str(Path(template).parent), template, env_vars_values=given)
    found = {}
    for function in provider.get_all():
        config = runner.get_invoke_config(function)
        found[function.name] = {
            "code": config.code_abs_path,
            "layers": [layer.codeuri for layer in config.layers],
            "runtime": [config.runtime, config.architecture, config.handler, config.memory, config.timeout],
            "variables": config.env_vars.resolve(),
        }
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:])))

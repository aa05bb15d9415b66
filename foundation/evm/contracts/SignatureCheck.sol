// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Asks a contract wallet, inside one eth_call, whether a signature is good (EIP-1271). A wallet that
/// is not deployed yet is first made by the factory that its signature names (EIP-6492).
///
/// Never deployed: the node runs the constructor, hands back what it returns, and forgets the rest.
/// What it returns is one byte: 1 the signature is good, 0 it is not, 2 this is another chain.
///
/// Nothing that a wallet or a factory does gets out of here. A revert counts as no, and so an
/// OffchainLookup (EIP-3668) never reaches whoever asked; returned data are not copied beyond one word.
contract SignatureCheck {
    bytes4 private constant MAGIC = 0x1626ba7e;

    constructor(
        uint256 chain,
        address wallet,
        bytes32 digest,
        address factory,
        bytes memory factoryCall,
        bytes memory signature
    ) {
        uint8 verdict;
        if (block.chainid != chain) {
            verdict = 2;
        } else {
            if (wallet.code.length == 0 && factory != address(0)) deploy(factory, factoryCall);
            if (wallet.code.length != 0 && approves(wallet, digest, signature)) verdict = 1;
        }
        assembly {
            mstore8(0, verdict)
            return(0, 1)
        }
    }

    /// A failure shows by itself: there is no code at the wallet's address afterwards.
    function deploy(address factory, bytes memory factoryCall) private {
        assembly {
            pop(call(gas(), factory, 0, add(factoryCall, 0x20), mload(factoryCall), 0, 0))
        }
    }

    /// Exactly one word, of the magic value and zeros: a contract that echoes its input returns more.
    function approves(address wallet, bytes32 digest, bytes memory signature)
        private
        view
        returns (bool answer)
    {
        bytes memory question = abi.encodeWithSelector(MAGIC, digest, signature);
        bytes32 expected = MAGIC;
        assembly {
            let came := staticcall(gas(), wallet, add(question, 0x20), mload(question), 0, 0x20)
            answer := and(and(came, eq(returndatasize(), 0x20)), eq(mload(0), expected))
        }
    }
}

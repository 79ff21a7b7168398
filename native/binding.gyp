# How Windows builds the addon (scripts/build-native.mjs; elsewhere it calls the compiler itself). Not in the root of the
# package: npm would rebuild it on every install.
{
  'targets': [{
    'target_name': 'snapheap',
    'sources': ["<!@(node -p \"require('fs').readdirSync('.').filter((name) => name.endsWith('.cc')).join(' ')\")"],
    'include_dirs': ["<!@(node -p \"require('node-addon-api').include\")"],
    'defines': ['NAPI_VERSION=8', 'NODE_ADDON_API_CPP_EXCEPTIONS', 'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS'],
    'conditions': [
      ['OS=="win"', {
        'libraries': ['onecore.lib'],
        'msvs_settings': {
          'VCCLCompilerTool': {'ExceptionHandling': 1, 'AdditionalOptions': ['/std:c++17']},
        },
      }, {
        'cflags_cc': ['-std=c++17', '-fexceptions'],
        'cflags_cc!': ['-fno-exceptions'],
        'xcode_settings': {'GCC_ENABLE_CPP_EXCEPTIONS': 'YES', 'CLANG_CXX_LANGUAGE_STANDARD': 'c++17'},
      }],
    ],
  }],
}
